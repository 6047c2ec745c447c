// Package sim holds the engine to its contract from outside: a naive model of the
// semantics, made of maps, slices and big integers, sees the same seeded operations as
// the real engine and must give the same replies; and crowds race for the last unit of
// a budget.
//
// The model shares no rule with package engine. Of the root package it uses the
// vocabulary alone: amounts and windows are computed again, the slow and obvious way.
package sim
