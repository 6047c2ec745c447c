package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
)

// TreeEvent is a change of the governance tree: a row, a limit that is gone, an entity, or
// Resync, after which the tree has to be read again.
type TreeEvent struct {
	ID      string
	Row     *TreeRow
	Removed string          // id of the limit
	Entity  json.RawMessage // as a read of it shows it
	Resync  bool
}

// Stream follows the governance tree from lastEventID on, or from now on where that is "".
// It ends when ctx does, or with the error that ended it; go on with the last ID. Of the
// query SortBy, Ascending, After and Limit do not count.
func (c *Client) Stream(ctx context.Context, customer string, in TreeQuery, lastEventID string) iter.Seq2[TreeEvent, error] {
	return func(yield func(TreeEvent, error) bool) {
		in.SortBy, in.Ascending, in.After, in.Limit = "", false, "", 0
		target := c.base + segments("customers", customer, "governance", "stream") + "?" + in.query().Encode()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			yield(TreeEvent{}, fmt.Errorf("bursar: %w", err))
			return
		}
		req.Header.Set("X-API-KEY", c.key)
		req.Header.Set("Accept", "text/event-stream")
		if lastEventID != "" {
			req.Header.Set("Last-Event-ID", lastEventID)
		}
		endless := *c.HTTP
		endless.Timeout = 0 // of the whole stream, which ends when ctx does
		resp, err := endless.Do(req)
		if err != nil {
			yield(TreeEvent{}, fmt.Errorf("bursar: %w", err))
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			reply, _ := io.ReadAll(io.LimitReader(resp.Body, maxReplyBytes)) // the status says enough
			yield(TreeEvent{}, failure(resp, reply))
			return
		}
		follow(resp.Body, yield)
	}
}

// follow reads Server-Sent Events until they end or yield asks for no more.
func follow(body io.Reader, yield func(TreeEvent, error) bool) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxReplyBytes)
	var id, kind, text string
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "" && kind != "":
			e, err := treeEvent(id, kind, text)
			if !yield(e, err) || err != nil {
				return
			}
			kind, text = "", ""
		case name == "id":
			id = value
		case name == "event":
			kind = value
		case name == "data":
			text += value
		}
	}
	if err := lines.Err(); err != nil {
		yield(TreeEvent{}, fmt.Errorf("bursar: reading the stream: %w", err))
		return
	}
	yield(TreeEvent{}, errors.New("bursar: the server ended the stream"))
}

func treeEvent(id, kind, text string) (TreeEvent, error) {
	e := TreeEvent{ID: id}
	var err error
	switch kind {
	case "node":
		e.Row = new(TreeRow)
		err = json.Unmarshal([]byte(text), e.Row)
	case "removed":
		var gone struct {
			AssignmentID string `json:"assignmentId"`
		}
		err = json.Unmarshal([]byte(text), &gone)
		e.Removed = gone.AssignmentID
	case "entity":
		e.Entity = json.RawMessage(text)
	case "resync":
		e.Resync = true
	}
	if err != nil {
		err = fmt.Errorf("bursar: reading the stream: %w", err)
	}
	return e, err
}
