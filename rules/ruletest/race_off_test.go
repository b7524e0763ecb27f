//go:build !race

package ruletest

const raced = false
