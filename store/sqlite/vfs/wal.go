package vfs

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
)

// ReadEnd reads how far a database's write-ahead log is whole: up to its last commit whose
// frames, and all before them, have their checksums. That is what SQLite finds when it
// opens it. The End of one that is missing, empty or without a right header is zero.
func ReadEnd(path string) (End, error) {
	end, _, err := scan(path)
	return end, err
}

// scan is ReadEnd with the numbers of the pages that are in it.
func scan(path string) (end End, pages map[uint32]bool, err error) {
	f, err := os.Open(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return End{}, nil, nil
	}
	if err != nil {
		return End{}, nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	var header [walHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return End{}, nil, ended(err)
	}
	order, ok := walOrder(header[:])
	if !ok || binary.BigEndian.Uint32(header[4:]) != walVersion || binary.BigEndian.Uint32(header[8:]) != PageSize {
		return End{}, nil, nil
	}
	sum := frameSum(order, [2]uint32{}, header[:walHeaderSums])
	if sum != readSum(header[walHeaderSums:]) {
		return End{}, nil, nil
	}
	end.Salt = saltOf(header[16:])
	pages = map[uint32]bool{}
	var some []uint32 // of a commit that has not ended
	frame := make([]byte, frameSize)
	for n := int64(1); ; n++ {
		if _, err := io.ReadFull(r, frame); err != nil {
			return end, pages, ended(err)
		}
		sum = frameSum(order, sum, frame[:8], frame[frameHeader:])
		if saltOf(frame[8:]) != end.Salt || sum != readSum(frame[16:]) || binary.BigEndian.Uint32(frame) == 0 {
			return end, pages, nil
		}
		some = append(some, binary.BigEndian.Uint32(frame))
		if binary.BigEndian.Uint32(frame[4:]) != 0 { // the last one of a commit
			end.Frames = n
			for _, page := range some {
				pages[page] = true
			}
			some = some[:0]
		}
	}
}

// ended is nil for the end of a file.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// Begin makes SQLite take a database's write-ahead log, all of which the database has, for
// an empty one. Its length stays. No connection may be open.
func Begin(path string) error {
	if st, err := os.Stat(path + "-wal"); err != nil || st.Size() < walHeader {
		return nil
	}
	f, err := OpenFile(path + "-wal")
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, walHeader), 0)
	return errors.Join(err, f.Sync(), f.Close())
}
