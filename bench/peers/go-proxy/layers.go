package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"
)

// config is what the bench writes: the same keys, limits and routes that the gateway has.
type config struct {
	Address   string
	Upstreams []string
	AccessLog string
	Keys      []struct{ KeyHash, Tenant string }
	Tenants   []struct {
		Name        string
		Rate, Burst float64
	}
	Functions []struct{ Tenant, Name string }
}

const (
	pathHead = "/v1/tenants/"
	pathWord = "/functions/"
	pathTail = ":invoke"
)

type route struct {
	tenant, function string
	meter            meter
}

type gateway struct {
	keys     map[[sha256.Size]byte]string
	buckets  map[string]*bucket
	routes   map[string]*route
	backends []*backend
	proxy    *httputil.ReverseProxy
	log      *accessLog
}

// call travels in the request's context, to what the reverse proxy calls back.
type call struct {
	backend              *backend
	requestID, traceText string
	hasFailed            bool
}
type callKey struct{}

func serveLayers(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	var settings config
	if err := json.Unmarshal(text, &settings); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(settings.Address, newGateway(settings)))
}

func newGateway(settings config) *gateway {
	g := &gateway{
		keys:    map[[sha256.Size]byte]string{},
		buckets: map[string]*bucket{},
		routes:  map[string]*route{},
		log:     openAccessLog(settings.AccessLog),
	}
	for _, key := range settings.Keys {
		var sum [sha256.Size]byte
		if _, err := hex.Decode(sum[:], []byte(key.KeyHash)); err != nil {
			log.Fatal(err)
		}
		g.keys[sum] = key.Tenant
	}
	for _, tenant := range settings.Tenants {
		g.buckets[tenant.Name] = &bucket{rate: tenant.Rate, burst: tenant.Burst, tokens: tenant.Burst, at: time.Now()}
	}
	for _, function := range settings.Functions {
		g.routes[function.Tenant+"/"+function.Name] = &route{tenant: function.Tenant, function: function.Name}
	}
	for _, text := range settings.Upstreams {
		upstream, err := url.Parse(text)
		if err != nil {
			log.Fatal(err)
		}
		g.backends = append(g.backends, &backend{url: upstream})
	}
	g.proxy = &httputil.ReverseProxy{
		Transport:      keepAliveTransport(),
		Rewrite:        rewrite,
		ModifyResponse: modifyResponse,
		ErrorHandler:   handleError,
	}
	return g
}

func (g *gateway) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	started := time.Now()
	if request.URL.Path == "/metrics" {
		g.writeMetrics(writer)
		return
	}
	requestID := requestIDOf(request.Header.Get("X-Request-Id"))
	writer.Header().Set("X-Request-Id", requestID)
	tenant, function, isInvoke := parsePath(request.URL.Path)
	if !isInvoke || request.Method != http.MethodPost {
		refuse(writer, http.StatusNotFound, "MERIDIAN_NOT_FOUND")
		return
	}
	if !g.isAuthenticated(request, tenant) {
		refuse(writer, http.StatusUnauthorized, "MERIDIAN_UNAUTHENTICATED")
		return
	}
	target := g.routes[tenant+"/"+function]
	if target == nil {
		refuse(writer, http.StatusNotFound, "MERIDIAN_FUNCTION_NOT_FOUND")
		return
	}
	if bucket := g.buckets[tenant]; bucket == nil || !bucket.take(started) {
		refuse(writer, http.StatusTooManyRequests, "MERIDIAN_RATE_LIMITED")
		return
	}
	backend := choose(g.backends, started)
	if backend == nil {
		refuse(writer, http.StatusServiceUnavailable, "MERIDIAN_OVERLOADED")
		return
	}
	made := &call{backend: backend, requestID: requestID, traceText: traceOf(request.Header.Get("Traceparent"))}
	counted := &countingWriter{ResponseWriter: writer, status: http.StatusOK}
	backend.inFlight.Add(1)
	g.proxy.ServeHTTP(counted, request.WithContext(context.WithValue(request.Context(), callKey{}, made)))
	backend.inFlight.Add(-1)
	backend.breaker.note(made.hasFailed, started)
	took := time.Since(started)
	target.meter.add(counted.status, took)
	g.log.write(started, requestID, tenant, function, backend.url.Host, counted.status, took)
}

func (g *gateway) isAuthenticated(request *http.Request, tenant string) bool {
	key, isBearer := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	return isBearer && g.keys[sha256.Sum256([]byte(key))] == tenant
}

func parsePath(path string) (tenant, function string, isInvoke bool) {
	rest, hasHead := strings.CutPrefix(path, pathHead)
	rest, hasTail := strings.CutSuffix(rest, pathTail)
	tenant, function, hasWord := strings.Cut(rest, pathWord)
	return tenant, function, hasHead && hasTail && hasWord
}

func callOf(request *http.Request) *call { return request.Context().Value(callKey{}).(*call) }

func rewrite(request *httputil.ProxyRequest) {
	made := callOf(request.In)
	request.Out.URL.Scheme = made.backend.url.Scheme
	request.Out.URL.Host = made.backend.url.Host
	request.Out.Header.Del("Authorization")
	request.Out.Header.Set("X-Request-Id", made.requestID)
	request.Out.Header.Set("Traceparent", made.traceText)
	request.SetXForwarded()
}

func modifyResponse(response *http.Response) error {
	callOf(response.Request).hasFailed = response.StatusCode >= http.StatusInternalServerError
	return nil
}

func handleError(writer http.ResponseWriter, request *http.Request, _ error) {
	callOf(request).hasFailed = true
	refuse(writer, http.StatusBadGateway, "MERIDIAN_CLUSTER_UNREACHABLE")
}

func refuse(writer http.ResponseWriter, status int, code string) {
	writer.Header().Set("Content-Type", "application/problem+json")
	writer.WriteHeader(status)
	_ = json.NewEncoder(writer).Encode(map[string]any{"code": code, "status": status})
}
