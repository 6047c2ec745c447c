package sqlite

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/bursarhq/bursar/store"
)

// Payloads of many records are kept deflated: they are mostly the same few things, said of many
// entities. It costs about a twentieth of what it takes to decide them.

// deflateFrom is how long a payload is that is worth it.
const deflateFrom = 2048

// packed is a payload as the log keeps it.
type packed struct {
	data   []byte
	length any // before it was deflated; nil = it was not
}

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is one of its own
	return w
}}

func pack(payload []byte) packed {
	if len(payload) < deflateFrom {
		return packed{payload, nil}
	}
	var b bytes.Buffer
	b.Grow(len(payload) / 4)
	w := deflaters.Get().(*flate.Writer)
	w.Reset(&b)
	_, _ = w.Write(payload) // a buffer takes all
	_ = w.Close()
	deflaters.Put(w)
	if b.Len() > len(payload)/8*7 {
		return packed{payload, nil}
	}
	return packed{b.Bytes(), len(payload)}
}

// unpack is a payload that has length bytes, from its deflated data.
func unpack(data []byte, length int64) ([]byte, error) {
	if length < 0 || length > int64(len(data))*maxDeflated {
		return nil, fmt.Errorf("%w: a payload of %d bytes is not of %d", store.ErrDamaged, length, len(data))
	}
	r := flate.NewReader(bytes.NewReader(data))
	payload := make([]byte, length)
	_, err := io.ReadFull(r, payload)
	if err == nil {
		if n, end := r.Read(make([]byte, 1)); n > 0 || end != io.EOF {
			err = errors.New("it goes on behind its end")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: a payload cannot be inflated: %w", store.ErrDamaged, err)
	}
	return payload, nil
}

// maxDeflated is more than deflating makes of a byte.
const maxDeflated = 1100
