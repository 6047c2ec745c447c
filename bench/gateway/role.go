//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"
)

// role is a process of the rig: the provider or the bare proxy.
func role(name string) {
	var h http.Handler = http.HandlerFunc(provide)
	if name == "proxy" {
		to := &url.URL{Scheme: "http", Host: os.Getenv("PROVIDER")}
		h = &httputil.ReverseProxy{FlushInterval: -1, Transport: &http.Transport{MaxIdleConnsPerHost: 4096, DisableCompression: true},
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stderr, `{"msg":"listening","addr":%q}`+"\n", l.Addr())
	panic(http.Serve(l, h))
}

const usage = `{"prompt_tokens":500,"completion_tokens":100,"total_tokens":600,"prompt_tokens_details":{"cached_tokens":100}}`

var whole = `{"id":"c","model":"m","choices":[{"message":{"role":"assistant","content":"` + strings.Repeat("word ", 400) + `"}}],"usage":` + usage + `}`

// provide plays a provider. The model slow takes ten seconds for 2,000 events.
func provide(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	ask := string(b)
	if !strings.Contains(ask, `"stream":true`) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, whole)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	null, last := "", ""
	if strings.Contains(ask, `"include_usage":true`) {
		null, last = `,"usage":null`, `data: {"choices":[],"usage":`+usage+"}\n\n"
	}
	event := `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"word"},"finish_reason":null}]` + null + "}\n\n"
	slow := strings.Contains(ask, `"slow"`)
	if slow {
		event = strings.Repeat(event, 20)
	}
	for i := range 100 {
		if !slow && i == 50 {
			break
		}
		io.WriteString(w, event)
		w.(http.Flusher).Flush()
		if slow {
			time.Sleep(100 * time.Millisecond)
		}
	}
	io.WriteString(w, last+"data: [DONE]\n\n")
}
