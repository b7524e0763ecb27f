package config

import (
	"reflect"
	"strings"
)

// Differences returns the keys, without those of the alerter, that have another value in another configuration.
func (c *Config) Differences(other *Config) []string {
	var out []string
	for name, pair := range fields(reflect.ValueOf(c).Elem(), reflect.ValueOf(other).Elem()) {
		if name == "alert" {
			continue
		}
		if pair[0].Kind() != reflect.Struct {
			out = append(out, different(name, pair)...)
			continue
		}
		for key, values := range fields(pair[0], pair[1]) {
			out = append(out, different(name+"."+key, values)...)
		}
	}
	return out
}

func different(key string, values [2]reflect.Value) []string {
	if reflect.DeepEqual(values[0].Interface(), values[1].Interface()) {
		return nil
	}
	return []string{key}
}

// fields yields the fields of two structs of one type by their keys, in their order.
func fields(a, b reflect.Value) func(yield func(string, [2]reflect.Value) bool) {
	return func(yield func(string, [2]reflect.Value) bool) {
		for i := range a.NumField() {
			key, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("yaml"), ",")
			if !yield(key, [2]reflect.Value{a.Field(i), b.Field(i)}) {
				return
			}
		}
	}
}
