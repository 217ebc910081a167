// The servers in Go, a goroutine a connection: go_server echo|stream|idle|lines. Prints its port, then serves until it is
// killed. The package net sets TCP_NODELAY itself.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
)

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

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil || len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "go_server:", err)
		os.Exit(1)
	}
	size := map[string]int{"echo": 16 * 1024, "stream": 64 * 1024, "idle": 1024}[os.Args[1]]
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "go_server:", err)
			os.Exit(1)
		}
		if size == 0 {
			go lines(conn)
		} else {
			go echo(conn, size)
		}
	}
}
