package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// bucket is a tenant's rate and burst.
type bucket struct {
	mutex               sync.Mutex
	rate, burst, tokens float64
	at                  time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.tokens = min(b.burst, b.tokens+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

type backend struct {
	url      *url.URL
	inFlight atomic.Int64
	breaker  breaker
}

// choose takes the less busy of two random ones, of those whose breaker lets calls through.
func choose(backends []*backend, now time.Time) *backend {
	one := backends[mathrand.IntN(len(backends))]
	other := backends[mathrand.IntN(len(backends))]
	if other.inFlight.Load() < one.inFlight.Load() {
		one, other = other, one
	}
	if one.breaker.isClosed(now) {
		return one
	}
	if other.breaker.isClosed(now) {
		return other
	}
	for _, any := range backends {
		if any.breaker.isClosed(now) {
			return any
		}
	}
	return nil
}

const (
	failuresToOpen = 5
	openFor        = 5 * time.Second
)

// breaker opens after failures in a row.
type breaker struct {
	failures   atomic.Int64
	openUntil  atomic.Int64
	calls, bad atomic.Int64
}

func (b *breaker) isClosed(now time.Time) bool { return now.UnixNano() >= b.openUntil.Load() }

func (b *breaker) note(hasFailed bool, now time.Time) {
	b.calls.Add(1)
	if !hasFailed {
		b.failures.Store(0)
		return
	}
	b.bad.Add(1)
	if b.failures.Add(1) >= failuresToOpen {
		b.openUntil.Store(now.Add(openFor).UnixNano())
	}
}

var boundsMicros = [...]int64{100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000}

// meter counts a function's calls by class of status, and how long they took.
type meter struct {
	byClass   [6]atomic.Int64
	buckets   [len(boundsMicros) + 1]atomic.Int64
	sumMicros atomic.Int64
}

func (m *meter) add(status int, took time.Duration) {
	m.byClass[status/100].Add(1)
	micros := took.Microseconds()
	m.sumMicros.Add(micros)
	at := 0
	for at < len(boundsMicros) && micros > boundsMicros[at] {
		at++
	}
	m.buckets[at].Add(1)
}

func (g *gateway) writeMetrics(writer http.ResponseWriter) {
	for _, route := range g.routes {
		for class := range route.meter.byClass {
			if count := route.meter.byClass[class].Load(); count > 0 {
				fmt.Fprintf(writer, "requests_total{tenant=%q,function=%q,class=\"%dxx\"} %d\n", route.tenant, route.function, class, count)
			}
		}
	}
	for _, backend := range g.backends {
		fmt.Fprintf(writer, "breaker_calls_total{backend=%q} %d\n", backend.url.Host, backend.breaker.calls.Load())
	}
}

type countingWriter struct {
	http.ResponseWriter
	status int
}

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the reverse proxy flush.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// entropy comes in blocks: one system call for many ids.
var entropy = struct {
	mutex sync.Mutex
	bytes [4096]byte
	at    int
}{at: 4096}

func randomHex(bytes int) string {
	entropy.mutex.Lock()
	defer entropy.mutex.Unlock()
	if entropy.at+bytes > len(entropy.bytes) {
		_, _ = rand.Read(entropy.bytes[:])
		entropy.at = 0
	}
	text := hex.EncodeToString(entropy.bytes[entropy.at : entropy.at+bytes])
	entropy.at += bytes
	return text
}

func requestIDOf(given string) string {
	if given == "" || len(given) > 128 {
		return randomHex(16)
	}
	return given
}

// traceOf continues a trace (W3C Trace Context), or starts one.
func traceOf(given string) string {
	if len(given) == 55 && given[:3] == "00-" && given[35] == '-' {
		return given[:36] + randomHex(8) + given[52:]
	}
	return "00-" + randomHex(16) + "-" + randomHex(8) + "-01"
}

const flushInterval = 500 * time.Millisecond

// accessLog writes a line a call, in batches.
type accessLog struct {
	mutex  sync.Mutex
	writer *bufio.Writer
	line   []byte
}

func openAccessLog(path string) *accessLog {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	made := &accessLog{writer: bufio.NewWriterSize(file, 64*1024)}
	go func() {
		for range time.Tick(flushInterval) {
			made.mutex.Lock()
			_ = made.writer.Flush()
			made.mutex.Unlock()
		}
	}()
	return made
}

func (l *accessLog) write(at time.Time, requestID, tenant, function, backend string, status int, took time.Duration) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	line := append(l.line[:0], `{"time":`...)
	line = strconv.AppendInt(line, at.UnixMilli(), 10)
	line = appendText(line, "requestId", requestID)
	line = appendText(line, "tenant", tenant)
	line = appendText(line, "function", function)
	line = appendText(line, "cluster", backend)
	line = append(line, `,"status":`...)
	line = strconv.AppendInt(line, int64(status), 10)
	line = append(line, `,"ms":`...)
	line = strconv.AppendFloat(line, float64(took.Microseconds())/1_000, 'f', 3, 64)
	line = append(line, '}', '\n')
	l.line = line
	_, _ = l.writer.Write(line)
}

func appendText(line []byte, name, value string) []byte {
	line = append(line, ',', '"')
	line = append(line, name...)
	line = append(line, '"', ':')
	return strconv.AppendQuote(line, value)
}
