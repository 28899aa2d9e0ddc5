// go-proxy is Go's own reverse proxy, for comparison:
//
//	go-proxy bare ADDRESS UPSTREAM HEADERS   in front of one upstream; HEADERS is a JSON object of headers that it adds
//	go-proxy layers CONFIG                   with the layers of a gateway; CONFIG is a JSON file, see layers.go
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
	switch {
	case len(os.Args) == 5 && os.Args[1] == "bare":
		serveBare(os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) == 3 && os.Args[1] == "layers":
		serveLayers(os.Args[2])
	default:
		log.Fatal("usage: go-proxy bare ADDRESS UPSTREAM HEADERS | layers CONFIG")
	}
}

func serveBare(address, upstreamURL, headersJSON string) {
	upstream, err := url.Parse(upstreamURL)
	if err != nil {
		log.Fatal(err)
	}
	headers := map[string]string{}
	if err := json.Unmarshal([]byte(headersJSON), &headers); err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Transport: keepAliveTransport(),
		Rewrite: func(request *httputil.ProxyRequest) {
			request.Out.URL.Scheme = upstream.Scheme
			request.Out.URL.Host = upstream.Host
			request.Out.URL.Path = upstream.Path
			for name, value := range headers {
				request.Out.Header.Set(name, value)
			}
		},
	}
	log.Fatal(http.ListenAndServe(address, proxy))
}

func keepAliveTransport() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// The default of two idle connections would measure connection set-up.
	transport.MaxIdleConnsPerHost = 1024
	transport.MaxIdleConns = 0
	return transport
}
