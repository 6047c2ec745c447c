// Package httpapi serves the HTTP contract of Bursar over an engine.
//
// A request takes one path: the router finds its row of the table in routes.go,
// auth.go says who asks and whether they may, the body and the query are read into
// the input type of the row (shape.go says what such a type accepts, decode.go and
// query.go read it and note every bad place), the handler calls the engine, and
// reply.go writes what it returns. Whatever goes wrong on the way is an error, which
// problem.go turns into one problem document; no handler writes a status itself.
//
// The table and the input and output types are also what openapi.json is made from.
package httpapi
