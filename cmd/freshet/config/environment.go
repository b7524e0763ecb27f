package config

import "strings"

// expand fills in ${NAME} and ${NAME:-default}; $$ stands for one dollar.
func (s *strict) expand(raw string) (out string, missing []string) {
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		switch {
		case raw[i] != '$' || i+1 == len(raw):
			b.WriteByte(raw[i])
		case raw[i+1] == '$' && s.foreign && !strings.HasPrefix(raw[i+2:], "{"):
			b.WriteString("$$")
			i++
		case raw[i+1] == '$':
			b.WriteByte('$')
			i++
		case raw[i+1] == '{':
			end := strings.IndexByte(raw[i:], '}')
			if end < 0 {
				b.WriteString(raw[i:])
				return b.String(), missing
			}
			name, fallback, hasFallback := strings.Cut(raw[i+2:i+end], ":-")
			val, ok := s.lookupEnv(name)
			switch {
			case ok:
				b.WriteString(val)
			case hasFallback:
				b.WriteString(fallback)
			default:
				missing = append(missing, name)
			}
			i += end
		default:
			b.WriteByte('$')
		}
	}
	return b.String(), missing
}
