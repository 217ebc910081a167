// The servers in Go, a goroutine a connection. Prints its port, then serves until it is killed. The package net sets
// TCP_NODELAY itself.
//
//	go_server echo|stream|idle|lines
//	go_server echo CERTIFICATE KEY         the same over TLS
//	go_server work                         a request is some work
//	go_server file CERTIFICATE KEY FILE    a file from memory, by HTTP over TLS
package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
)

// Bytes of a file that are written at a time.
const piece = 64 * 1024

func echo(conn net.Conn, size int) {
	defer conn.Close()
	buffer := make([]byte, size)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err = conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func lines(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if _, err = conn.Write(line); err != nil {
			return
		}
	}
}

// As if a request took some 20 us to answer: steps that wait for one another, in all servers the same.
func stir(data []byte) {
	state := uint32(1)
	for i := 0; i < 10000; i++ {
		state = state*1664525 + uint32(data[i%len(data)]) + 1
	}
	// The load wants its bytes back.
	if state == 0 {
		data[0] = 0
	}
}

func work(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 16*1024)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		stir(buffer[:n])
		if _, err = conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// Answers whatever is asked for with the file.
func sendFile(conn net.Conn, file []byte) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		for {
			line, err := reader.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(file)); err != nil {
			return
		}
		for at := 0; at < len(file); at += piece {
			end := at + piece
			if end > len(file) {
				end = len(file)
			}
			if _, err := conn.Write(file[at:end]); err != nil {
				return
			}
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go_server:", err)
		os.Exit(1)
	}
}

func main() {
	words := os.Args[1:]
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if len(words) > 1 {
		certificate, err := tls.LoadX509KeyPair(words[1], words[2])
		check(err)
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	var file []byte
	if len(words) > 3 {
		file, err = os.ReadFile(words[3])
		check(err)
	}
	size := map[string]int{"echo": 16 * 1024, "stream": 64 * 1024, "idle": 1024}[words[0]]
	for {
		conn, err := listener.Accept()
		check(err)
		if file != nil {
			go sendFile(conn, file)
		} else if words[0] == "work" {
			go work(conn)
		} else if size == 0 {
			go lines(conn)
		} else {
			go echo(conn, size)
		}
	}
}
