package sqlite

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"

	"github.com/bursarhq/bursar/store"
)

// Payloads of many records are kept packed: they are mostly the same few things, said of many
// entities. Decision 40 says by what.

// packFrom is how long a payload is that is worth it.
const packFrom = 2048

// packed is a payload as the log keeps it.
type packed struct {
	data   []byte
	length any // see schema/log_9.sql
}

func pack(payload []byte) packed {
	if len(payload) < packFrom {
		return packed{payload, nil}
	}
	data := s2.Encode(nil, payload)
	if len(data) > len(payload)/8*7 {
		return packed{payload, nil}
	}
	return packed{data, -len(payload)}
}

// unpack is a payload from its data and the length that was noted with it, which was not NULL.
func unpack(data []byte, length int64) (payload []byte, err error) {
	if length < 0 {
		payload, err = decompress(data, -length)
	} else {
		payload, err = inflate(data, length)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: a payload cannot be unpacked: %w", store.ErrDamaged, err)
	}
	return payload, nil
}

// decompress is of what S2 has packed.
func decompress(data []byte, length int64) ([]byte, error) {
	if n, err := s2.DecodedLen(data); err != nil {
		return nil, err
	} else if int64(n) != length {
		return nil, fmt.Errorf("it has %d bytes, not %d", n, length)
	}
	return s2.Decode(nil, data)
}

// maxDeflated is more than deflating makes of a byte.
const maxDeflated = 1100

// inflate is of what was deflated.
func inflate(data []byte, length int64) ([]byte, error) {
	if length > int64(len(data))*maxDeflated {
		return nil, fmt.Errorf("%d bytes are not of %d", length, len(data))
	}
	r := flate.NewReader(bytes.NewReader(data))
	payload := make([]byte, length)
	_, err := io.ReadFull(r, payload)
	if err == nil {
		if n, end := r.Read(make([]byte, 1)); n > 0 || end != io.EOF {
			err = errors.New("it goes on behind its end")
		}
	}
	return payload, err
}
