// Package setup installs what the notebooks need and is missing, and says what
// is there:
//
//	in, err := setup.Ensure(ctx, setup.Options{Progress: os.Stderr})
//	parts := setup.Doctor(ctx, in.Dirs)
//
// # Parts
//
//	plugin   XLA for the CPU (see rlhf/pjrt)
//	tools    gonb, gopls and goimports: the `tool` lines of go.mod, by `go install tool`
//	venv     JupyterLab and nbclient in a private virtual environment, versions and
//	         hashes locked in requirements.txt
//	rlhf     the command itself, built from the module, which Jupyter starts
//	kernel   the kernelspec "RLHF (GoNB)", a Jupyter configuration of our own, and the
//	         module that lets papermill write Go parameters
//	models   pretrained models, each only when asked for (see rlhf/models)
//	cuda     XLA for NVIDIA GPUs, with -backend cuda only; locked in requirements-cuda.txt
//
// Go and Python fetch through the user's own configuration (GOPROXY, pip.conf).
//
// # Guarantees
//
// Everything lies in two folders, data and cache ([Dirs]); the one variable
// RLHF_HOME moves both. A part is finished when its stamp is written, and the
// stamp is written last, so an interrupted run is taken up where it was. Runs at
// the same time wait for each other. With every part in place there is no
// network access and the whole takes about a second, most of it asking Go
// whether the command is still up to date. [Remove] takes away what setup made and leaves
// what it does not know.
package setup
