package gateway

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// Headers by which callers say whose a call is.
const (
	HeaderCustomer   = "Bursar-Customer"
	HeaderDimensions = "Bursar-Dimensions"
)

const maxDimensionsBytes = 8 << 10

var errDimensions = errors.New(HeaderDimensions + `: write key=value,key=value with values as in a URL, or a JSON object of strings, numbers and booleans`)

// ReadDimensions reads the header [HeaderDimensions] into dims: an object of JSON, or key=value
// pairs with commas between them and values as in a query. It is at most 8 KiB.
func ReadDimensions(text string, dims map[string]any) error {
	if len(text) > maxDimensionsBytes {
		return errDimensions
	}
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		var given map[string]any
		if json.Unmarshal([]byte(text), &given) != nil {
			return errDimensions
		}
		for k, v := range given {
			switch v.(type) {
			case string, float64, bool:
				dims[k] = v
			default:
				return errDimensions
			}
		}
		return nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, found := strings.Cut(pair, "=")
		plain, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); !found || key == "" || err != nil {
			return errDimensions
		}
		dims[key] = plain
	}
	return nil
}
