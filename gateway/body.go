package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bursarhq/bursar"
	"github.com/go-json-experiment/json/jsontext"
)

// asked is what a request says about how much it may use.
type asked struct {
	body       []byte // as it is sent
	model      string
	stream     bool
	addUsage   bool // the stream's usage was asked for here, and is taken out again
	maxTokens  int64
	times      int64 // that the output is asked for
	characters int64
	dims       map[string]any // by members of the body
	endpoint   string
	isJSON     bool
	share      *share // of the memory for bodies
}

// Limits of what is expected of a call.
const (
	maxExpected   = 999_999_999
	maxModelBytes = 255
)

// without is a without its body.
func (a *asked) without() *asked {
	other := *a
	other.body, other.share = nil, nil
	return &other
}

// readBody reads a request for an endpoint.
func (g *Gateway) readBody(r *http.Request, endpoint string, s *share) (*asked, *problem) {
	if r.ContentLength > g.config.MaxBodyBytes {
		return nil, errTooLarge()
	}
	b, err := s.readAll(r.Body, r.ContentLength)
	if err == nil && strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		b, err = unzip(b, g.config.MaxBodyBytes, s)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errFull):
		return nil, errBusy()
	case errors.As(err, &tooLarge):
		return nil, errTooLarge()
	case err != nil:
		return nil, &problem{status: http.StatusBadRequest, code: bursar.CodeValidationFailed, message: "the request could not be read"}
	}
	a := &asked{body: b, dims: map[string]any{}, times: 1, endpoint: endpoint, share: s}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" {
		err = a.readForm(params["boundary"])
	} else {
		a.isJSON = true
		err = a.readJSON(endpoint, g.config.BodyDimensions)
	}
	if err != nil {
		return nil, &problem{status: http.StatusBadRequest, code: bursar.CodeValidationFailed, message: "the request cannot be read, so nobody knows what it may use: " + err.Error()}
	}
	if a.model == "" && !strings.HasPrefix(endpoint, "images/") || len(a.model) > maxModelBytes {
		return nil, &problem{status: http.StatusBadRequest, code: bursar.CodeValidationFailed, message: "model: is required, with at most 255 bytes"}
	}
	if a.maxTokens == 0 && endpoint != "embeddings" && endpoint != "audio/speech" {
		a.maxTokens = g.config.MaxTokens
	}
	a.maxTokens = min(a.maxTokens*a.times, maxExpected)
	return a, nil
}

func unzip(b []byte, most int64, s *share) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := s.readAll(io.LimitReader(z, most+1), -1)
	if err == nil && int64(len(out)) > most {
		return nil, &http.MaxBytesError{Limit: most}
	}
	return out, err
}

// members are those that a request's JSON object may have. Others are the provider's alone.
type members struct {
	Model        string
	Stream       bool
	MaxTokens    count
	MaxCompleted count
	MaxOutput    count
	N            count
	BestOf       count
	User         string
	Safety       string
	Metadata     map[string]any
}

// places is where the member of each name is read to; what it must be if it may be no other.
func (m *members) places() map[string]place {
	const whole = "must be a whole number"
	return map[string]place{"model": {&m.Model, "must be a text"}, "stream": {&m.Stream, "must be true or false"},
		"max_tokens": {&m.MaxTokens, whole}, "max_completion_tokens": {&m.MaxCompleted, whole}, "max_output_tokens": {&m.MaxOutput, whole},
		"n": {&m.N, whole}, "best_of": {&m.BestOf, whole},
		"user": {&m.User, ""}, "safety_identifier": {&m.Safety, ""}, "metadata": {&m.Metadata, ""}}
}

type place struct {
	to   any
	must string
}

// count is a whole number that bounds a call, up to maxExpected. What bounds nothing, as a
// number below 0, is 0.
type count int64

var errCount = errors.New("it is no whole number")

// UnmarshalJSON reads 1000, and 1e3 and 1000.0, as some providers do.
func (c *count) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || f != math.Trunc(f) {
		return errCount
	}
	*c = count(min(max(f, 0), maxExpected))
	return nil
}

// readJSON reads the body in one pass. A body in which a name comes twice is refused: the
// provider might go by the other one.
func (a *asked) readJSON(endpoint string, dims map[string]string) error {
	var m members
	into := m.places()
	d := jsontext.NewDecoder(bytes.NewBuffer(a.body), jsontext.AllowInvalidUTF8(true))
	first, err := d.ReadToken()
	if err != nil {
		return err
	}
	if first.Kind() != '{' {
		return errors.New("it must be a JSON object")
	}
	open := d.InputOffset()
	var options jsontext.Value
	optionsEnd := int64(0)
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := t.String()
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		if v.Kind() == '"' || v.Kind() == '{' || v.Kind() == '[' {
			a.characters += characters(v)
		}
		switch {
		case name == "stream_options":
			options, optionsEnd = v.Clone(), d.InputOffset()
		case name == "prompt" && endpoint == "completions":
			a.times = prompts(v)
		}
		if p := into[name]; p.to != nil && v.Kind() != 'n' && json.Unmarshal(v, p.to) != nil && p.must != "" {
			return errors.New(name + " " + p.must)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return errors.New("there is more after the JSON object")
	}
	a.take(&m, dims)
	if a.stream && (endpoint == "chat/completions" || endpoint == "completions") {
		return a.askForUsage(options, open, optionsEnd)
	}
	return nil
}

// prompts is how many a list of prompts has, each of which is answered. A list of numbers is one.
func prompts(v jsontext.Value) int64 {
	var list []json.RawMessage
	if v.Kind() != '[' || json.Unmarshal(v, &list) != nil {
		return 1
	}
	n := int64(0)
	for _, one := range list {
		if one[0] == '"' || one[0] == '[' {
			n++
		}
	}
	return max(n, 1)
}

// take takes over what m says.
func (a *asked) take(m *members, dims map[string]string) {
	a.model, a.stream = m.Model, m.Stream
	a.maxTokens = int64(max(m.MaxCompleted, m.MaxOutput, m.MaxTokens))
	a.times = min(a.times*int64(max(m.N, m.BestOf, 1)), maxExpected)
	for member, key := range dims {
		var v any
		switch name, of := strings.CutPrefix(member, "metadata."); {
		case of:
			v = m.Metadata[name]
		case member == "user":
			v = m.User
		default:
			v = m.Safety
		}
		if text, is := v.(string); is && text != "" {
			a.dims[key] = text
		}
	}
}

// askForUsage has the provider tell the usage at the end of a stream, unless the caller asks
// for that itself. The rest of the body stays as it is.
func (a *asked) askForUsage(options jsontext.Value, open, end int64) error {
	var given map[string]json.RawMessage
	if options != nil && options.Kind() != 'n' {
		if json.Unmarshal(options, &given) != nil {
			return errors.New("stream_options is no object")
		}
		var include bool
		if json.Unmarshal(given["include_usage"], &include) == nil && include {
			return nil
		}
	}
	a.addUsage = true
	var out []byte
	if options == nil {
		out = append(out, a.body[:open]...)
		out = append(out, `"stream_options":{"include_usage":true},`...)
		a.body = append(out, a.body[open:]...)
		return nil
	}
	if given == nil {
		given = map[string]json.RawMessage{}
	}
	given["include_usage"] = json.RawMessage("true")
	text, err := json.Marshal(given)
	if err != nil {
		return err
	}
	out = append(out, a.body[:end-int64(len(options))]...)
	out = append(out, text...)
	a.body = append(out, a.body[end:]...)
	return nil
}

// readForm reads the model of a form that has sound or pictures. What names it twice is
// refused: the provider might go by the other one.
func (a *asked) readForm(boundary string) error {
	parts := multipart.NewReader(bytes.NewReader(a.body), boundary)
	met := map[string]bool{}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := part.FormName()
		if name == "model" || name == "stream" || name == "n" {
			if met[name] || part.FileName() != "" {
				return errors.New(name + " may be there once, and as no file")
			}
			met[name] = true
		}
		if part.FileName() != "" {
			a.characters += mediaCharacters
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, 64<<10))
		if err != nil {
			return err
		}
		switch name {
		case "model":
			a.model = string(text)
		case "stream":
			a.stream = string(text) == "true"
		case "n":
			var n count
			if n.UnmarshalJSON(bytes.TrimSpace(text)) != nil {
				return errors.New("n must be a whole number")
			}
			a.times = max(int64(n), 1)
		default:
			a.characters += int64(utf8.RuneCount(text))
		}
	}
}
