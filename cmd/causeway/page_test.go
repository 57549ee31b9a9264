package main

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"path/filepath"
	"strings"
)

// handed is one file of a handoff's archive.
func (p *place) handed(archive, name string) string {
	p.Helper()
	zipped, err := gzip.NewReader(strings.NewReader(p.read(archive)))
	if err != nil {
		p.Fatal(err)
	}
	for files := tar.NewReader(zipped); ; {
		header, err := files.Next()
		if err != nil {
			p.Fatalf("%s in %s: %v", name, archive, err)
		}
		if filepath.Base(header.Name) != name {
			continue
		}
		content, err := io.ReadAll(files)
		if err != nil {
			p.Fatal(err)
		}
		return string(content)
	}
}
