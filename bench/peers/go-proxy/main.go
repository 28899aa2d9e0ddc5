// go-proxy ADDRESS UPSTREAM HEADERS is Go's own reverse proxy in front of one upstream, for comparison.
// HEADERS is a JSON object of headers that it adds to each request.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: go-proxy ADDRESS UPSTREAM HEADERS")
	}
	upstream, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	headers := map[string]string{}
	if err := json.Unmarshal([]byte(os.Args[3]), &headers); err != nil {
		log.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// The default of two idle connections would measure connection set-up.
	transport.MaxIdleConnsPerHost = 1024
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(request *httputil.ProxyRequest) {
			request.Out.URL.Scheme = upstream.Scheme
			request.Out.URL.Host = upstream.Host
			request.Out.URL.Path = upstream.Path
			for name, value := range headers {
				request.Out.Header.Set(name, value)
			}
		},
	}
	log.Fatal(http.ListenAndServe(os.Args[1], proxy))
}
