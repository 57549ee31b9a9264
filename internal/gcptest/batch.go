package gcptest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
)

// serveBatch answers compute's batch endpoint, by which gcloud lists: each part of
// the multipart body is a request of its own.
func (s *Server) serveBatch(w http.ResponseWriter, r *http.Request) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var body bytes.Buffer
	out := multipart.NewWriter(&body)
	parts := multipart.NewReader(r.Body, params["boundary"])
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := s.servePart(out, part, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	out.Close()
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+out.Boundary())
	w.Write(body.Bytes())
}

func (s *Server) servePart(out *multipart.Writer, part *multipart.Part, outer *http.Request) error {
	inner, err := http.ReadRequest(bufio.NewReader(part))
	if err != nil {
		return fmt.Errorf("read part of a batch: %w", err)
	}
	if target, err := url.Parse(inner.RequestURI); err == nil {
		inner.URL = target
	}
	if inner.Header.Get("Authorization") == "" {
		inner.Header.Set("Authorization", outer.Header.Get("Authorization"))
	}
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, inner.WithContext(outer.Context()))
	header := textproto.MIMEHeader{"Content-Type": {"application/http"}}
	if id := part.Header.Get("Content-ID"); len(id) > 2 {
		header.Set("Content-ID", "<response-"+id[1:])
	}
	to, err := out.CreatePart(header)
	if err != nil {
		return err
	}
	result := recorder.Result()
	result.ContentLength = int64(recorder.Body.Len())
	return result.Write(to)
}
