// go-etcd OPERATION ENDPOINT PREFIX SECONDS CONCURRENCY measures etcd's own Go client at one operation and prints one reading
// as JSON: the peer of bench/scenarios/catalog-process.ts, which does the same through this project's driver.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sys/unix"
)

const valueBytes = 256
const rangeRecords = 1000

// Not measured: connecting, and what runs faster once it has run for a while.
const warmSeconds = 1

type reading struct {
	Operations     int     `json:"operations"`
	ElapsedSeconds float64 `json:"elapsedSeconds"`
	CPUMicros      int64   `json:"cpuMicros"`
	P50Micros      float64 `json:"p50Micros"`
	P99Micros      float64 `json:"p99Micros"`
	Errors         int     `json:"errors"`
}

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: go-etcd put|compare-and-set|range|watch ENDPOINT PREFIX SECONDS CONCURRENCY")
	}
	operation, endpoint, prefix := os.Args[1], os.Args[2], os.Args[3]
	seconds, concurrency := number(os.Args[4]), number(os.Args[5])
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, MaxCallRecvMsgSize: 64 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	var result reading
	if operation == "watch" {
		result = watch(client, prefix, seconds)
	} else {
		call(client, operation, prefix+"warm-", warmSeconds, concurrency)
		result = call(client, operation, prefix, seconds, concurrency)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}

// call repeats one operation on so many goroutines, each with a key of its own.
func call(client *clientv3.Client, operation, prefix string, seconds, concurrency int) reading {
	value := strings.Repeat("v", valueBytes)
	rangePrefix := strings.TrimSuffix(prefix, "warm-") + "range/"
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	act := map[string]func(key string, revision int64) (int64, error){
		"put": func(key string, _ int64) (int64, error) { return put(ctx, client, key, value) },
		"compare-and-set": func(key string, revision int64) (int64, error) {
			unchanged := clientv3.Compare(clientv3.ModRevision(key), "=", revision)
			answer, err := client.Txn(ctx).If(unchanged).Then(clientv3.OpPut(key, value)).Commit()
			if err != nil {
				return 0, err
			}
			if !answer.Succeeded {
				return 0, fmt.Errorf("the key was changed by somebody else")
			}
			return answer.Header.Revision, nil
		},
		"range": func(_ string, revision int64) (int64, error) {
			answer, err := client.Get(ctx, rangePrefix, clientv3.WithPrefix(), clientv3.WithLimit(rangeRecords))
			if err == nil && len(answer.Kvs) != rangeRecords {
				err = fmt.Errorf("%d records came", len(answer.Kvs))
			}
			return revision, err
		},
	}[operation]
	if act == nil {
		log.Fatalf("there is no operation %s", operation)
	}
	errors := make([]int, concurrency)
	micros := make([][]float64, concurrency)
	started, cpuBefore := time.Now(), cpuMicros()
	ends := started.Add(time.Duration(seconds) * time.Second)
	var running sync.WaitGroup
	for worker := range concurrency {
		running.Go(func() {
			key := fmt.Sprintf("%s%s/%d", prefix, operation, worker)
			revision, err := put(ctx, client, key, value)
			if err != nil {
				log.Fatal(err)
			}
			for time.Now().Before(ends) {
				began := time.Now()
				next, err := act(key, revision)
				if err != nil {
					errors[worker]++
					continue
				}
				revision = next
				micros[worker] = append(micros[worker], float64(time.Since(began).Microseconds()))
			}
		})
	}
	running.Wait()
	failed := 0
	for _, count := range errors {
		failed += count
	}
	return summary(slices.Concat(micros...), time.Since(started), cpuMicros()-cpuBefore, failed)
}

func put(ctx context.Context, client *clientv3.Client, key, value string) (int64, error) {
	answer, err := client.Txn(ctx).Then(clientv3.OpPut(key, value)).Commit()
	if err != nil {
		return 0, err
	}
	return answer.Header.Revision, nil
}

// watch reads events whose values begin with the microsecond of the machine's monotonic clock in which they were written.
func watch(client *clientv3.Client, prefix string, seconds int) reading {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events := client.Watch(clientv3.WithRequireLeader(ctx), prefix+"watch/", clientv3.WithPrefix())
	lags := []float64{}
	failed := 0
	var started time.Time
	var cpuBefore int64
	warm := time.After(warmSeconds * time.Second)
	over := time.After(time.Duration(warmSeconds+seconds) * time.Second)
	for {
		select {
		case <-warm:
			lags, started, cpuBefore = lags[:0], time.Now(), cpuMicros()
		case <-over:
			return summary(lags, time.Since(started), cpuMicros()-cpuBefore, failed)
		case response, isOpen := <-events:
			if !isOpen || response.Err() != nil {
				log.Fatalf("the watch ended: %v", response.Err())
			}
			now := monotonicMicros()
			for _, event := range response.Events {
				text, _, _ := strings.Cut(string(event.Kv.Value), " ")
				written, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					failed++
					continue
				}
				lags = append(lags, float64(now-written))
			}
		}
	}
}

func summary(micros []float64, elapsed time.Duration, cpu int64, failed int) reading {
	slices.Sort(micros)
	at := func(share float64) float64 {
		if len(micros) == 0 {
			return 0
		}
		return micros[min(len(micros)-1, int(share*float64(len(micros))))]
	}
	return reading{len(micros), elapsed.Seconds(), cpu, at(0.5), at(0.99), failed}
}

func monotonicMicros() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		log.Fatal(err)
	}
	return now.Nano() / 1000
}

func cpuMicros() int64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	micros := func(spent unix.Timeval) int64 { return int64(spent.Sec)*1_000_000 + int64(spent.Usec) }
	return micros(usage.Utime) + micros(usage.Stime)
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 {
		log.Fatalf("%s is no number from 1 up", text)
	}
	return value
}
