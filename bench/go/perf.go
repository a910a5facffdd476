// What kc perf does, with franz-go: same options, same line of JSON. All threads produce with one client; each consuming
// one has its own, with its share of the partitions. franz-go has no batch call; its records are reused, as its
// documentation advises for speed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	textBytes = 4 << 20
	idleLimit = 10 * time.Second
)

type settings []string

func (s *settings) String() string     { return strings.Join(*s, " ") }
func (s *settings) Set(v string) error { *s = append(*s, v); return nil }

var (
	what                              string
	broker, topic                     string
	records, size, rate, limitS, jobs int64
	varied                            bool
	pairs                             settings
	text                              []byte
	state                             uint32 = 1
)

type result struct {
	records, bytes, errors, last atomic.Int64
	begun                        time.Time
	took                         time.Duration
	latencies                    []uint32
}

func die(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func random() int {
	state = state*1103515245 + 12345
	return int(state >> 16)
}

// The values of tools/kc/values.c.
func makeValues() {
	if !varied {
		text = make([]byte, size)
		for i := range text {
			text[i] = byte('a' + random()%26)
		}
		return
	}
	words := make([][]byte, 256)
	for i := range words {
		words[i] = make([]byte, 3+random()%8)
		for j := range words[i] {
			words[i][j] = byte('a' + random()%26)
		}
	}
	text = make([]byte, 0, textBytes+int(size)+16)
	for len(text) < textBytes+int(size) {
		text = append(append(text, words[random()%256*(random()%256)/256]...), ' ')
	}
}

func value(record int64) []byte {
	if !varied {
		return text
	}
	at := record * size % textBytes
	return text[at : at+size]
}

func options() []kgo.Opt {
	opts := []kgo.Opt{kgo.SeedBrokers(strings.Split(broker, ",")...)}
	if what != "consume" {
		opts = append(opts, kgo.DefaultProduceTopic(topic), kgo.MaxBufferedRecords(1000000), kgo.MaxBufferedBytes(256<<20))
	}
	for _, pair := range pairs {
		key, v, _ := strings.Cut(pair, "=")
		switch key {
		case "linger.ms":
			d, err := time.ParseDuration(v + "ms")
			if err != nil {
				die(err)
			}
			opts = append(opts, kgo.ProducerLinger(d))
		case "compression.type":
			codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
				"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
			opts = append(opts, kgo.ProducerBatchCompression(codecs[v]))
		case "acks", "enable.idempotence": // its defaults are all, and on
		default:
			die(fmt.Errorf("no option for %s", key))
		}
	}
	return opts
}

func inThreads(work func(thread int64)) {
	var all sync.WaitGroup
	for i := int64(0); i < jobs; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			work(i)
		}()
	}
	all.Wait()
}

func produce(r *result, limit time.Duration) {
	ctx := context.Background()
	client, err := kgo.NewClient(options()...)
	if err != nil {
		die(err)
	}
	if partitions(client) == 0 {
		die(fmt.Errorf("no metadata"))
	}
	if what == "latency" {
		r.latencies = make([]uint32, records)
	}
	pool := sync.Pool{New: func() any { return new(kgo.Record) }}
	r.begun = time.Now()
	inThreads(func(thread int64) {
		first, end := records*thread/jobs, records*(thread+1)/jobs
		sent := int64(0)
		for i := first; i < end && (i&255 != 0 || time.Since(r.begun) < limit); i++ {
			if rate > 0 {
				due := r.begun.Add(time.Duration(float64(i-first) * 1e9 * float64(jobs) / float64(rate)))
				for left := time.Until(due); left > 0; left = time.Until(due) {
					time.Sleep(min(left, 50*time.Microsecond))
				}
			}
			record := pool.Get().(*kgo.Record)
			*record = kgo.Record{Value: value(i)}
			var begun time.Time
			if r.latencies != nil {
				begun = time.Now()
			}
			client.Produce(ctx, record, func(done *kgo.Record, err error) {
				if err != nil {
					r.errors.Add(1)
				} else if r.latencies != nil {
					r.latencies[i] = uint32(time.Since(begun).Microseconds())
				}
				pool.Put(done)
			})
			sent++
		}
		r.records.Add(sent)
	})
	if err := client.Flush(ctx); err != nil {
		die(err)
	}
	r.took = time.Since(r.begun)
	r.records.Add(-r.errors.Load())
	r.bytes.Store(r.records.Load() * size)
}

func partitions(client *kgo.Client) int {
	request := kmsg.NewMetadataRequest()
	one := kmsg.NewMetadataRequestTopic()
	one.Topic = &topic
	request.Topics = append(request.Topics, one)
	answer, err := request.RequestWith(context.Background(), client)
	if err != nil {
		die(err)
	}
	return len(answer.Topics[0].Partitions)
}

func consume(r *result, limit time.Duration) {
	all, err := kgo.NewClient(options()...)
	if err != nil {
		die(err)
	}
	count := partitions(all)
	all.Close()
	clients := make([]*kgo.Client, jobs)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.begun = time.Now()
	for i := range clients {
		mine := map[int32]kgo.Offset{}
		for p := i; p < count; p += int(jobs) {
			mine[int32(p)] = kgo.NewOffset().AtStart()
		}
		if clients[i], err = kgo.NewClient(append(options(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: mine}))...); err != nil {
			die(err)
		}
	}
	inThreads(func(thread int64) {
		checksum := uint64(0)
		idle := time.Now()
		for r.records.Load() < records && time.Since(r.begun) < limit && time.Since(idle) < idleLimit {
			wait, done := context.WithTimeout(ctx, 100*time.Millisecond)
			fetches := clients[thread].PollFetches(wait)
			done()
			n, bytes := int64(0), int64(0)
			fetches.EachRecord(func(record *kgo.Record) {
				n++
				bytes += int64(len(record.Value))
				if len(record.Value) > 0 {
					checksum += uint64(record.Value[0])
				}
			})
			if n > 0 {
				idle = time.Now()
				r.records.Add(n)
				r.bytes.Add(bytes)
				r.last.Store(max(r.last.Load(), int64(time.Since(r.begun))))
			}
		}
		if checksum == ^uint64(0) { // so that the sum is needed
			r.errors.Add(1)
		}
	})
	r.took = time.Duration(r.last.Load())
}

func usage() (user, system float64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		die(err)
	}
	return float64(u.Utime.Nano()) / 1e9, float64(u.Stime.Nano()) / 1e9
}

func main() {
	if len(os.Args) < 2 {
		die(fmt.Errorf("produce, consume or latency is needed"))
	}
	what = os.Args[1]
	flags := flag.NewFlagSet("perf", flag.ExitOnError)
	flags.StringVar(&broker, "b", "", "bootstrap servers")
	flags.StringVar(&topic, "t", "", "topic")
	flags.Int64Var(&records, "n", 1000000, "records")
	flags.Int64Var(&size, "s", 100, "bytes of a value")
	flags.Int64Var(&rate, "R", 0, "records per second")
	flags.Int64Var(&limitS, "d", 0, "end after so many seconds")
	flags.Int64Var(&jobs, "j", 1, "threads")
	flags.BoolVar(&varied, "V", false, "values differ")
	flags.Var(&pairs, "X", "key=value")
	_ = flags.Parse(os.Args[2:])
	if what == "latency" && rate == 0 {
		rate = 10000
	}
	limit := time.Duration(1<<62 - 1)
	if limitS > 0 {
		limit = time.Duration(limitS) * time.Second
	}
	makeValues()
	user, system := usage()
	var r result
	if what == "consume" {
		consume(&r, limit)
	} else {
		produce(&r, limit)
	}
	userEnd, systemEnd := usage()
	more := ""
	if n := len(r.latencies); n > 0 {
		sort.Slice(r.latencies, func(i, j int) bool { return r.latencies[i] < r.latencies[j] })
		more = fmt.Sprintf(`,"p50_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d`, r.latencies[n/2], r.latencies[n-1-n/100], r.latencies[n-1-n/1000], r.latencies[n-1])
	}
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	seconds := r.took.Seconds()
	fmt.Printf(`{"records":%d,"bytes":%d,"seconds":%.6f,"records_per_s":%.0f,"mb_per_s":%.2f,"cpu_user_s":%.3f,"cpu_sys_s":%.3f,"max_rss_kb":%d,"errors":%d%s}`+"\n",
		r.records.Load(), r.bytes.Load(), seconds, float64(r.records.Load())/seconds, float64(r.bytes.Load())/seconds/1e6,
		userEnd-user, systemEnd-system, u.Maxrss, r.errors.Load(), more)
}
