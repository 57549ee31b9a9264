package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// conn is one HTTP/1.1 connection that costs little processor time, so that what
// is measured is the way and the server: a request is a slice of bytes that is
// written as it is, a response is read without a map of headers.
type conn struct {
	tls    *tls.Conn
	reader *bufio.Reader
}

// dial connects and ends the handshake.
func dial(ctx context.Context, w way) (*conn, error) {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{}, Config: w.tls}
	connection, err := dialer.DialContext(ctx, "tcp", w.addr.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", w.name, err)
	}
	return &conn{tls: connection.(*tls.Conn), reader: bufio.NewReaderSize(connection, 16<<10)}, nil
}

func (c *conn) Close() error { return c.tls.Close() }

// get is the bytes of a GET with a bearer token.
func get(path, token string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: kubernetes.default.svc\r\nAuthorization: Bearer %s\r\n"+
		"User-Agent: causeway-bench\r\nAccept: application/json\r\n\r\n", path, token)
}

// do sends a request and reads its response to the end. It returns the length of
// the body. Any status but 200 is an error.
func (c *conn) do(request []byte) (int64, error) {
	if err := c.send(request); err != nil {
		return 0, err
	}
	length, err := c.head()
	if err != nil {
		return 0, err
	}
	if length >= 0 {
		n, err := c.reader.Discard(int(length))
		return int64(n), err
	}
	var total int64
	for {
		size, err := c.chunk()
		if err != nil {
			return total, err
		}
		// Each chunk ends with CRLF, the last one, of length 0, too.
		if _, err := c.reader.Discard(int(size) + 2); err != nil {
			return total, err
		}
		if size == 0 {
			return total, nil
		}
		total += size
	}
}

func (c *conn) send(request []byte) error {
	_, err := c.tls.Write(request)
	return err
}

var (
	okStatus      = []byte("HTTP/1.1 200")
	contentLength = []byte("content-length:")
)

// head reads status and headers. The length is -1 for a chunked body.
func (c *conn) head() (int64, error) {
	line, err := c.line()
	if err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(line, okStatus) {
		return 0, fmt.Errorf("answered %q", line)
	}
	length := int64(-1)
	for {
		if line, err = c.line(); err != nil {
			return 0, err
		}
		if len(line) == 0 {
			return length, nil
		}
		if len(line) > len(contentLength) && bytes.EqualFold(line[:len(contentLength)], contentLength) {
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(line[len(contentLength):])), 10, 63); err != nil {
				return 0, fmt.Errorf("read content length: %w", err)
			}
		}
	}
}

// chunk reads the line that says how long the next chunk is.
func (c *conn) chunk() (int64, error) {
	line, err := c.line()
	if err != nil {
		return 0, err
	}
	size, err := strconv.ParseInt(string(line), 16, 63)
	if err != nil {
		return 0, fmt.Errorf("read chunk: %w", err)
	}
	return size, nil
}

// event waits for the next chunk of a watch and returns its length; a watch sends
// an event in a chunk of its own, but nginx may cut it in two.
func (c *conn) event() (int, error) {
	total := 0
	for {
		size, err := c.chunk()
		if err != nil {
			return total, err
		}
		if size == 0 {
			return total, io.EOF
		}
		body, err := c.reader.Peek(min(int(size), c.reader.Size()))
		if err != nil {
			return total, err
		}
		whole := int(size) <= c.reader.Size() && bytes.HasSuffix(body, []byte("\n"))
		if _, err := c.reader.Discard(int(size) + 2); err != nil {
			return total, err
		}
		if total += int(size); whole {
			return total, nil
		}
	}
}

func (c *conn) line() ([]byte, error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, errors.New("a line longer than the buffer")
		}
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
