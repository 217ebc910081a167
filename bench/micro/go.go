// Go: goroutines, channels, sync. GOMAXPROCS says how many threads run them: 1, as the loops that it stands beside
// have, or as many as there are processors, as is the default.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// The processor time of this process, all its threads, in nanoseconds.
func now() float64 {
	const processCPUTime = 2
	var t syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processCPUTime, uintptr(unsafe.Pointer(&t)), 0)
	return float64(t.Nano())
}

// The same deadlines as in bench.h.
type random uint64

func (r *random) next() uint64 {
	x := *r
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	*r = x
	return uint64(x)
}

const firstRandom random = 88172645463325252
const many = 1000

// Runs these goroutines; returns the nanoseconds that all of them together take.
func together(bodies ...func()) float64 {
	var all sync.WaitGroup
	begin := now()
	all.Add(len(bodies))
	for _, body := range bodies {
		body := body
		go func() {
			defer all.Done()
			body()
		}()
	}
	all.Wait()
	return now() - begin
}

func yieldAmong(n int, count int) float64 {
	rounds := count / n
	bodies := make([]func(), n)
	for i := range bodies {
		bodies[i] = func() {
			for i := 0; i < rounds; i++ {
				runtime.Gosched()
			}
		}
	}
	return together(bodies...) / float64(rounds*n)
}

func yield2(count int) float64     { return yieldAmong(2, count) }
func yield10000(count int) float64 { return yieldAmong(10000, count) }

func spawnJoin(count int) float64 {
	var one sync.WaitGroup
	begin := now()
	for i := 0; i < count; i++ {
		one.Add(1)
		go func() { one.Done() }()
		one.Wait()
	}
	return (now() - begin) / float64(count)
}

// A channel with room for one, used as a lock: Go's only lock that hands itself to who waits. Mutex does not.
func lockHandoff(count int) float64 {
	lock := make(chan struct{}, 1)
	rounds := count / 2
	body := func() {
		for i := 0; i < rounds; i++ {
			lock <- struct{}{}
			if i == 0 {
				runtime.Gosched()
			}
			<-lock
		}
	}
	return together(body, body) / float64(2*rounds)
}

func lockContended(count int) float64 {
	var lock sync.Mutex
	rounds := count / 2
	body := func() {
		for i := 0; i < rounds; i++ {
			lock.Lock()
			runtime.Gosched()
			lock.Unlock()
		}
	}
	return together(body, body) / float64(2*rounds)
}

// Closing a channel wakes all who receive from it; there is a new one for every time.
func eventBroadcast1000(count int) float64 {
	rounds := count / many
	events := make([]chan struct{}, rounds)
	for i := range events {
		events[i] = make(chan struct{})
	}
	var all, waiting sync.WaitGroup
	all.Add(many)
	waiting.Add(many)
	for i := 0; i < many; i++ {
		go func() {
			defer all.Done()
			for _, event := range events {
				waiting.Done()
				<-event
			}
		}()
	}
	begin := now()
	for i, event := range events {
		waiting.Wait()
		if i+1 < rounds {
			waiting.Add(many)
		}
		close(event)
	}
	all.Wait()
	return (now() - begin) / float64(rounds*many)
}

func queueBetween(count, room int) float64 {
	queue := make(chan unsafe.Pointer, room)
	return together(func() {
		for i := 0; i < count; i++ {
			queue <- nil
		}
	}, func() {
		for i := 0; i < count; i++ {
			<-queue
		}
	}) / float64(count)
}

func queue1(count int) float64 { return queueBetween(count, 1) }
func queue0(count int) float64 { return queueBetween(count, 0) }

// There is no unbounded channel: this one has room for all that is put at a time.
func queueUnbounded(count int) float64 {
	queue := make(chan unsafe.Pointer, many)
	bursts := count / many
	return together(func() {
		for i := 0; i < bursts; i++ {
			for j := 0; j < many; j++ {
				queue <- nil
			}
			runtime.Gosched()
		}
	}, func() {
		for i := 0; i < bursts*many; i++ {
			<-queue
		}
	}) / float64(bursts*many)
}

func queuePutGet(count int) float64 {
	there, back := make(chan unsafe.Pointer, 1), make(chan unsafe.Pointer, 1)
	rounds := count / 2
	back <- nil
	pass := func(from, to chan unsafe.Pointer) func() {
		return func() {
			for i := 0; i < rounds; i++ {
				to <- <-from
			}
		}
	}
	return together(pass(there, back), pass(back, there)) / float64(2*rounds)
}

// A channel for one value, made for it: what is handed over says where the answer goes.
type answer chan answer

func futurePingpong(count int) float64 {
	rounds := count / 2
	first := make(answer, 1)
	return together(func() {
		to := first
		for i := 0; i < rounds; i++ {
			back := make(answer, 1)
			to <- back
			to = <-back
		}
		to <- nil
	}, func() {
		from := first
		for to := <-from; to != nil; to = <-from {
			from = make(answer, 1)
			to <- from
		}
	}) / float64(2*rounds)
}

// A thousand goroutines that nobody waits for. They are counted by hand: one thread runs them.
func createAndRun() float64 {
	left := many
	begin := now()
	for i := 0; i < many; i++ {
		go func() { left-- }()
	}
	for left > 0 {
		runtime.Gosched()
	}
	return now() - begin
}

func spawn1000(count int) float64 {
	sum := 0.0
	for i := 0; i < count/many; i++ {
		sum += createAndRun()
	}
	return sum / float64(count/many*many)
}

func beyondCreating(count int, oneRound func()) float64 {
	sum := 0.0
	for i := 0; i < count/many; i++ {
		sum -= createAndRun()
		begin := now()
		oneRound()
		sum += now() - begin
	}
	return sum / float64(count/many*many)
}

func gather1000(count int) float64 {
	return beyondCreating(count, func() {
		var all sync.WaitGroup
		results := make([]int, many)
		all.Add(many)
		for i := 0; i < many; i++ {
			i := i
			go func() {
				results[i] = i
				all.Done()
			}()
		}
		all.Wait()
	})
}

func asCompleted1000(count int) float64 {
	return beyondCreating(count, func() {
		results := make(chan int, many)
		for i := 0; i < many; i++ {
			i := i
			go func() { results <- i }()
		}
		for i := 0; i < many; i++ {
			<-results
		}
	})
}

// From a goroutine that has an operating system's thread for itself to one of the others.
func crossThread(count, atATime int) float64 {
	calls := make(chan func(), atATime)
	done := make(chan struct{}, 1)
	bursts := count / atATime
	ran := 0
	return together(func() {
		runtime.LockOSThread()
		for i := 0; i < bursts; i++ {
			for j := 0; j < atATime; j++ {
				calls <- func() { ran++ }
			}
			<-done
		}
		close(calls)
	}, func() {
		for call := range calls {
			call()
			if ran%atATime == 0 {
				done <- struct{}{}
			}
		}
	}) / float64(bursts*atATime)
}

func crossThread1(count int) float64    { return crossThread(count, 1) }
func crossThread1000(count int) float64 { return crossThread(count, 1000) }

// Jobs for threads of their own, 4 at most: goroutines that are locked to theirs.
func toThread(count, atATime int) float64 {
	type job struct{ done chan int }
	jobs := make(chan job, atATime)
	for i := 0; i < 4 && i < atATime; i++ {
		go func() {
			runtime.LockOSThread()
			for job := range jobs {
				job.done <- 1
			}
		}()
	}
	done := make(chan int, atATime)
	bursts := count / atATime
	return together(func() {
		for i := 0; i < bursts; i++ {
			for j := 0; j < atATime; j++ {
				jobs <- job{done}
			}
			for j := 0; j < atATime; j++ {
				<-done
			}
		}
		close(jobs)
	}) / float64(bursts*atATime)
}

func toThread1(count int) float64   { return toThread(count, 1) }
func toThread100(count int) float64 { return toThread(count, 100) }

func armAndCancel(timers []*time.Timer) {
	state := firstRandom
	for i := range timers {
		timers[i] = time.AfterFunc(60*time.Second+time.Duration(state.next()%3540000)*time.Millisecond, func() {})
	}
	for _, timer := range timers {
		timer.Stop()
	}
}

func timersArmCancel(count int) float64 {
	timers := make([]*time.Timer, count)
	armAndCancel(timers)
	begin := now()
	armAndCancel(timers)
	return (now() - begin) / float64(count)
}

// Lets time pass in a way that the scheduler does not know of, so that it runs no timers meanwhile.
func standStill(until time.Time) {
	for left := time.Until(until); left > 0; left = time.Until(until) {
		t := syscall.NsecToTimespec(int64(left))
		syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0)
	}
}

func timersFire(count int) float64 {
	state := firstRandom
	fired := 0
	start := time.Now().Add(time.Second)
	for i := 0; i < count; i++ {
		deadline := start.Add(time.Duration(state.next() % 1000000000))
		time.AfterFunc(time.Until(deadline), func() { fired++ })
	}
	standStill(start.Add(time.Second))
	begin := now()
	for fired < count {
		runtime.Gosched()
	}
	return (now() - begin) / float64(count)
}

var benches = map[string]func(count int) float64{
	"yield_2":              yield2,
	"yield_10000":          yield10000,
	"spawn_join":           spawnJoin,
	"lock_handoff":         lockHandoff,
	"lock_contended":       lockContended,
	"event_broadcast_1000": eventBroadcast1000,
	"queue_put_get":        queuePutGet,
	"queue_1":              queue1,
	"queue_0":              queue0,
	"queue_unbounded":      queueUnbounded,
	"future_pingpong":      futurePingpong,
	"spawn_1000":           spawn1000,
	"gather_1000":          gather1000,
	"as_completed_1000":    asCompleted1000,
	"cross_thread_1":       crossThread1,
	"cross_thread_1000":    crossThread1000,
	"to_thread_1":          toThread1,
	"to_thread_100":        toThread100,
	"timers_arm_cancel":    timersArmCancel,
	"timers_fire":          timersFire,
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go_micro NAME COUNT")
		os.Exit(2)
	}
	count, _ := strconv.Atoi(os.Args[2])
	bench := benches[os.Args[1]]
	if bench == nil {
		fmt.Fprintf(os.Stderr, "go_micro: no benchmark '%s'\n", os.Args[1])
		os.Exit(2)
	}
	fmt.Printf("%.3f\n", bench(count))
}
