// Package httpapi serves the HTTP contract of Bursar over an engine.
//
// A request takes one path: the router finds its row of the table in routes.go,
// auth.go says who asks and whether they may, and the operation of the row runs. An
// operation is of a kind (operation.go), which does what all of its kind share: path, query,
// headers and body are read into the handler's input type (shape.go says what such a type
// accepts, query.go and decode.go read it and note every bad place), the handler calls the
// engine for the caller that the kind found, and reply.go writes what is shown of the
// result. Whatever goes wrong on the way is an error, which
// problem.go turns into one problem document; no handler writes a status itself.
//
// The table and the input and output types are also what openapi.json is made from.
package httpapi
