// Command bench measures Bursar on this machine, beside a floor: bare net/http
// handlers that do the least that the same service needs. Run it from the module:
//
//	go run ./bench [-quick] [-parts check,ingest] [-dir DIR]
//	go run ./bench -cluster
//	go run ./bench -against PATH
//
// With -cluster it measures one and three servers on a private PostgreSQL instead, beside
// one transaction per event in the same PostgreSQL. Strong checks come first, while
// nothing that was written leaves work behind.
//
// With -against it measures the program of before at PATH and the present one in turns,
// and tells what has become of each figure as a ratio.
//
// Everything runs in one go, interleaved, so that ratios compare like with like; each
// figure is the median of the rounds with its spread. The servers, the load generator
// and what builds the data are processes of their own on 127.0.0.1, and all of them end
// with this one. A missed goal is a result, not a failure, unless -strict.
package main
