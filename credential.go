package bursar

import "strings"

// Credential is the key or token that a request shows in its headers X-API-KEY and Authorization, of
// which these are all values; "" = it shows none. Two that differ are an error, and so is an
// Authorization that is no bearer's.
func Credential(apiKey, authorization []string) (string, error) {
	shown := ""
	for _, key := range apiKey {
		if shown != "" && key != shown {
			return "", errTwoKeys()
		}
		shown = key
	}
	for _, value := range authorization {
		token := Bearer(value)
		if token == "" {
			return "", Errorf(CodeUnauthenticated, "the Authorization header must be: Bearer <API key>")
		}
		if shown != "" && token != shown {
			return "", errTwoKeys()
		}
		shown = token
	}
	return shown, nil
}

// Bearer is the token in a value of the header Authorization; "" = it bears none.
func Bearer(authorization string) string {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func errTwoKeys() error {
	return Errorf(CodeUnauthenticated, "the request carries two different keys; send one")
}
