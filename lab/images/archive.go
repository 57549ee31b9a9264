package images

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// config is what an image says of how it is to be run.
type config struct {
	User       string   `json:",omitempty"`
	Env        []string `json:",omitempty"`
	Entrypoint []string `json:",omitempty"`
	Cmd        []string `json:",omitempty"`
	WorkingDir string   `json:",omitempty"`
	StopSignal string   `json:",omitempty"`
}

// archive writes a docker archive (as `docker save` does) with one layer, whole
// or not at all, to path.
func archive(path, name string, layer *tree, c config) error {
	var body bytes.Buffer
	if err := layer.write(&body); err != nil {
		return fmt.Errorf("build image %s: %w", name, err)
	}
	sum := sha256.Sum256(body.Bytes())
	layerID := hex.EncodeToString(sum[:])
	image, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": c,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + layerID}},
	})
	if err != nil {
		return fmt.Errorf("build image %s: %w", name, err)
	}
	imageSum := sha256.Sum256(image)
	imageName := hex.EncodeToString(imageSum[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": imageName, "RepoTags": []string{name}, "Layers": []string{layerID + "/layer.tar"}}})
	if err != nil {
		return fmt.Errorf("build image %s: %w", name, err)
	}
	return writeTar(path, name, []part{{layerID + "/layer.tar", body.Bytes()}, {imageName, image}, {"manifest.json", manifest}})
}

type part struct {
	name string
	data []byte
}

func writeTar(path, image string, parts []part) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("build image %s: %w", image, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".archive-*")
	if err != nil {
		return fmt.Errorf("build image %s: %w", image, err)
	}
	defer os.Remove(f.Name()) // gone already when all went well
	out := tar.NewWriter(f)
	for _, p := range parts {
		if err := out.WriteHeader(&tar.Header{Name: p.name, Mode: 0o644, Size: int64(len(p.data))}); err != nil {
			return fmt.Errorf("build image %s: %w", image, err)
		}
		if _, err := out.Write(p.data); err != nil {
			return fmt.Errorf("build image %s: %w", image, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("build image %s: %w", image, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("build image %s: %w", image, err)
	}
	return os.Rename(f.Name(), path)
}
