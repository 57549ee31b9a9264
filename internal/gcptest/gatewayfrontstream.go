package gcptest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

const (
	// activeStreams is the quota of a fleet's project, connectgateway.googleapis.com/active_streams.
	activeStreams = 10
	// streamLife is within what Google documents: 20 to 30 minutes.
	streamLife = 25 * time.Minute
	// farewell is how long a client that was told that its stream ends may take to go.
	farewell = 5 * time.Second
)

// Streams is how many streams of Connect Gateway are open in a fleet's project.
func (s *Server) Streams(project string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[project]
}

// enter counts a stream, or says that there is no room.
func (s *Server) enter(project string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[project] >= activeStreams {
		return false
	}
	s.streams[project]++
	s.touch()
	return true
}

func (s *Server) leave(project string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[project]--
	s.touch()
}

// serveStream passes an upgrade on, and what goes through it until it ends.
func (f *GatewayFront) serveStream(w http.ResponseWriter, r *http.Request, p *passage, proxy *httputil.ReverseProxy) {
	if !f.Google.enter(p.project) {
		writeGateway(w, FailStreams.refusal(p), true)
		return
	}
	defer f.Google.leave(p.project)
	life := f.StreamLife
	switch {
	case f.failing() == FailTerminated:
		life = 0
	case life == 0:
		life = streamLife
	}
	proxy.ModifyResponse = func(answer *http.Response) error {
		if answer.StatusCode != http.StatusSwitchingProtocols {
			return refuseStream(answer)
		}
		conn, ok := answer.Body.(io.ReadWriteCloser)
		if !ok {
			return fmt.Errorf("upgrade without a connection")
		}
		answer.Body = newStream(conn, life)
		return nil
	}
	proxy.ServeHTTP(&hijacked{w, life + farewell}, r)
}

// refuseStream puts the gateway's words in the place of the API server's refusal.
func refuseStream(answer *http.Response) error {
	said, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	text := refusalText(&Error{Status: http.StatusBadRequest, Canonical: "FAILED_PRECONDITION", Message: fmt.Sprintf(
		"generic::failed_precondition: failed to connect to the cluster's API Server with response (status=%s, body=%s)", answer.Status, bytes.TrimSpace(said))}, true)
	answer.StatusCode, answer.Status = http.StatusBadRequest, "400 Bad Request"
	answer.Header = http.Header{"Content-Type": {"application/json; charset=UTF-8"}, "Server": {"ESF"}}
	answer.Body, answer.ContentLength, answer.TransferEncoding = io.NopCloser(bytes.NewReader(text)), int64(len(text)), nil
	return nil
}

// hijacked bounds the client's connection once it is a stream: one that does not go when
// it is told to is cut.
type hijacked struct {
	http.ResponseWriter
	life time.Duration
}

func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return conn, buffered, conn.SetDeadline(time.Now().Add(h.life))
}

// stream is the API server's side of a WebSocket that ends after its life, between two
// frames, by a close frame that says why.
type stream struct {
	io.ReadWriteCloser
	end    *time.Timer
	pieces chan piece
	closed chan struct{}
	once   sync.Once

	frames frames
	rest   []byte // read and not yet handed on
	err    error  // after rest
}

type piece struct {
	data []byte
	err  error
}

func newStream(conn io.ReadWriteCloser, life time.Duration) *stream {
	s := &stream{ReadWriteCloser: conn, end: time.NewTimer(life), pieces: make(chan piece), closed: make(chan struct{})}
	go s.pump()
	return s
}

// pump reads ahead, so that Read can end while nothing comes.
func (s *stream) pump() {
	for {
		buffer := make([]byte, 32<<10)
		n, err := s.ReadWriteCloser.Read(buffer)
		select {
		case s.pieces <- piece{buffer[:n], err}:
		case <-s.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 && s.err == nil {
		end := s.end.C
		if !s.frames.whole() { // a close frame within another would be taken for its content
			end = nil
		}
		select {
		case next := <-s.pieces:
			s.frames.pass(next.data)
			s.rest, s.err = next.data, next.err
		case <-end:
			s.rest, s.err = closeFrame(string(FailTerminated)), io.EOF
		case <-s.closed:
			return 0, net.ErrClosed
		}
	}
	if len(s.rest) == 0 {
		return 0, s.err
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *stream) Close() error {
	s.once.Do(func() { close(s.closed) })
	s.end.Stop()
	return s.ReadWriteCloser.Close()
}

// closeFrame is a WebSocket's last frame (RFC 6455, 5.5.1), with 1011: the server met
// something that keeps it from going on. reason has at most 123 bytes.
func closeFrame(reason string) []byte {
	const fin, closing, internal = 0x80, 0x8, 1011
	frame := []byte{fin | closing, byte(2 + len(reason))}
	return append(binary.BigEndian.AppendUint16(frame, internal), reason...)
}

// frames follows the frames of a WebSocket (RFC 6455, 5.2) to know where one ends.
type frames struct {
	header []byte
	left   uint64 // of the payload
}

func (f *frames) whole() bool { return f.left == 0 && len(f.header) == 0 }

func (f *frames) pass(data []byte) {
	for len(data) > 0 {
		if f.left > 0 {
			n := min(f.left, uint64(len(data)))
			f.left, data = f.left-n, data[n:]
			continue
		}
		f.header, data = append(f.header, data[0]), data[1:]
		if length, ok := payload(f.header); ok {
			f.left, f.header = length, f.header[:0]
		}
	}
}

// payload is the length that a frame's header tells, once it is complete.
func payload(header []byte) (uint64, bool) {
	if len(header) < 2 {
		return 0, false
	}
	length, size := uint64(header[1]&0x7f), 2
	switch length {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if header[1]&0x80 != 0 { // masked, which servers do not
		size += 4
	}
	if len(header) < size {
		return 0, false
	}
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(header[2:]))
	case 127:
		length = binary.BigEndian.Uint64(header[2:])
	}
	return length, true
}
