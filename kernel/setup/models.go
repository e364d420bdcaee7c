package setup

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"hhrlhf/rlhf/hub"
	"hhrlhf/rlhf/models"
	"hhrlhf/rlhf/pjrt"
)

// ModelsEnv names a folder of pretrained models that is looked into before
// set-up's own; HubEnv and HubTokenEnv are the variables by which Hugging Face's
// own tools name another hub and the token sent to it.
const (
	ModelsEnv   = "HHRLHF_MODELS"
	HubEnv      = "HF_ENDPOINT"
	HubTokenEnv = "HF_TOKEN"
)

// Models is the folder of the pretrained models that setup installs.
func (d Dirs) Models() string { return filepath.Join(d.Data, models.Folder) }

// Hub is the cache of what is fetched from a hub.
func (d Dirs) Hub() string { return filepath.Join(d.Cache, "hub") }

// Hub fetches into the cache of d. Progress lines go to progress, nil for none.
func Hub(d Dirs, progress io.Writer) hub.Hub {
	return hub.Hub{Cache: d.Hub(), Endpoint: os.Getenv(HubEnv), Token: os.Getenv(HubTokenEnv), Progress: progress}
}

// Models finds pretrained models by name, "smollm2", "hub:owner/name" or a path:
// in the folder that [ModelsEnv] names, where setup installs them, and on the hub.
func Models(d Dirs, progress io.Writer) models.Library {
	return models.Library{Dirs: []string{os.Getenv(ModelsEnv), d.Models()}, Hub: Hub(d, progress)}
}

// InstallModel installs one of models.Known and returns its path. It is safe to
// call from several processes at once; once the model is there it needs no network.
func InstallModel(ctx context.Context, d Dirs, name string, progress io.Writer) (path string, err error) {
	c, err := knownModel(name)
	if err != nil {
		return "", err
	}
	if path, err = c.Install(ctx, d.Models(), d.Cache, progress); err != nil {
		return "", fmt.Errorf("setup: %w", err)
	}
	return path, nil
}

// RemoveModel undoes InstallModel.
func RemoveModel(ctx context.Context, d Dirs, name string) error {
	c, err := knownModel(name)
	if err == nil {
		err = c.Remove(d.Models(), d.Cache)
	}
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	for _, dir := range []string{d.Cache, d.Data} {
		os.Remove(dir) // fails if it holds anything else
	}
	return nil
}

func knownModel(name string) (models.Checkpoint, error) {
	c, ok := models.Named(name)
	if !ok {
		return c, fmt.Errorf("setup: -model %q, want one of: %s", name, strings.Join(ModelNames(), ", "))
	}
	return c, nil
}

// ModelNames lists the models that [InstallModel] knows.
func ModelNames() []string {
	var list []string
	for _, c := range models.Known() {
		list = append(list, c.Name)
	}
	return list
}

// modelParts tells which models are there. One that is not installed is fine, for
// nothing but what asks for it needs it; one whose bytes have changed is not.
func modelParts(d Dirs) []Part {
	var parts []Part
	for _, c := range models.Known() {
		p := Part{Name: "model " + c.Name, Version: fmt.Sprintf("%s, %d MB", c.About, c.Size>>20)}
		fault, found := "", false
		if p.Path, found = c.Find(Models(d, nil).Dirs...); found {
			fault = text(c.Check(p.Path))
		} else {
			p.Path = filepath.Join(d.Models(), c.File)
			if _, err := os.Stat(p.Path); err == nil {
				fault = "is not of the right size"
			} else {
				p.Version = "not installed (rlhf setup -model " + c.Name + ")"
			}
		}
		parts = append(parts, judged(p, fault, "delete "+p.Path+" and run: rlhf setup -model "+c.Name))
	}
	return parts
}

// removeModels deletes all models that setup installs.
func removeModels(d Dirs, log *pjrt.Progress) error {
	for _, c := range models.Known() {
		if path, ok := c.Find(d.Models()); ok {
			log.Printf("%s", path)
		}
		if err := c.Remove(d.Models(), d.Cache); err != nil {
			return err
		}
	}
	return nil
}
