package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
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
	characters int64
	dims       map[string]any // by members of the body
}

// Limits of what is expected of a call.
const (
	maxExpected     = 999_999_999
	mediaCharacters = 4500 // of a picture or document in a prompt: 1,500 tokens
	maxModelBytes   = 255
)

// readBody reads a request for an endpoint.
func (g *Gateway) readBody(r *http.Request, endpoint string) (*asked, *problem) {
	b, err := io.ReadAll(r.Body)
	if err == nil && strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		b, err = unzip(b, g.config.MaxBodyBytes)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &problem{status: http.StatusRequestEntityTooLarge, code: bursar.CodeTooLarge, message: "the request is larger than this gateway takes (maxBodyBytes)"}
	case err != nil:
		return nil, &problem{status: http.StatusBadRequest, code: bursar.CodeValidationFailed, message: "the request could not be read"}
	}
	a := &asked{body: b, dims: map[string]any{}}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" {
		err = a.readForm(params["boundary"])
	} else {
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
	a.maxTokens = min(max(a.maxTokens, 0), maxExpected)
	return a, nil
}

func unzip(b []byte, most int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, most+1))
	if err == nil && int64(len(out)) > most {
		return nil, &http.MaxBytesError{Limit: most}
	}
	return out, err
}

// members are those that a request's JSON object may have. Others are the provider's alone.
type members struct {
	Model        string         `json:"model"`
	Stream       bool           `json:"stream"`
	MaxTokens    int64          `json:"max_tokens"`
	MaxCompleted int64          `json:"max_completion_tokens"`
	MaxOutput    int64          `json:"max_output_tokens"`
	N            int64          `json:"n"`
	User         string         `json:"user"`
	Safety       string         `json:"safety_identifier"`
	Metadata     map[string]any `json:"metadata"`
}

// readJSON reads the body in one pass. A body in which a name comes twice is refused: the
// provider might go by the other one.
func (a *asked) readJSON(endpoint string, dims map[string]string) error {
	var m members
	into := map[string]any{"model": &m.Model, "stream": &m.Stream, "max_tokens": &m.MaxTokens, "max_completion_tokens": &m.MaxCompleted,
		"max_output_tokens": &m.MaxOutput, "n": &m.N, "user": &m.User, "safety_identifier": &m.Safety, "metadata": &m.Metadata}
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
		if name == "stream_options" {
			options, optionsEnd = v.Clone(), d.InputOffset()
		}
		if to := into[name]; to != nil && v.Kind() != 'n' {
			if json.Unmarshal(v, to) != nil && (name == "model" || name == "stream") {
				return errors.New(name + " is of another type")
			}
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

// take takes over what m says.
func (a *asked) take(m *members, dims map[string]string) {
	a.model, a.stream = m.Model, m.Stream
	a.maxTokens = m.MaxCompleted
	for _, n := range []int64{m.MaxOutput, m.MaxTokens} {
		if a.maxTokens == 0 {
			a.maxTokens = n
		}
	}
	a.maxTokens = min(a.maxTokens, maxExpected)
	if m.N > 1 {
		a.maxTokens = min(a.maxTokens*min(m.N, 1000), maxExpected)
	}
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

// readForm reads the model of a form that has sound or pictures.
func (a *asked) readForm(boundary string) error {
	parts := multipart.NewReader(bytes.NewReader(a.body), boundary)
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := part.FormName()
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
		default:
			a.characters += int64(utf8.RuneCount(text))
		}
	}
}

// characters is the size of the texts in a JSON value, the names of members included. A
// picture or document in it counts as a usual one, whatever its bytes.
func characters(v []byte) (n int64) {
	name := ""
	for i := 0; i < len(v); i++ {
		if v[i] != '"' {
			continue
		}
		start := i + 1
		for i = start; i < len(v) && v[i] != '"'; i++ {
			if v[i] == '\\' {
				i++
			}
		}
		text := v[start:min(i, len(v))]
		after := i + 1
		for after < len(v) && (v[after] == ' ' || v[after] == '\n' || v[after] == '\r' || v[after] == '\t') {
			after++
		}
		if after < len(v) && v[after] == ':' {
			name = string(text)
			n += int64(len(text))
			continue
		}
		if media(name, text) {
			n += mediaCharacters
		} else {
			n += int64(utf8.RuneCount(text))
		}
	}
	return n
}

// media tells whether a text is a file rather than words.
func media(name string, text []byte) bool {
	if len(text) <= mediaCharacters {
		return false
	}
	if bytes.HasPrefix(text, []byte("data:")) {
		return true
	}
	switch name {
	case "data", "file_data", "b64_json":
		return !bytes.ContainsAny(text[:64], " \\")
	}
	return false
}
