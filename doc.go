// Package bursar holds the words and the rules of AI-usage governance: amounts,
// cadences and their windows, entities, assignments, decisions and errors.
//
// It is the vocabulary that every other package shares. It imports the standard
// library alone and does no I/O, starts no goroutine and reads no clock: time is
// always an argument.
package bursar
