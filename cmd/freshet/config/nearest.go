package config

import "strings"

// didYouMean is the hint for a word that is not known: the nearest of those that are, else all of them, which are sorted.
func didYouMean(word string, known []string) string {
	best := nearest(word, known)
	switch {
	case best != "":
		return "did you mean " + best + "?"
	case len(known) > 0:
		return "known here: " + strings.Join(known, ", ")
	default:
		return ""
	}
}

// nearest returns the word of a sorted list that is most likely meant, "" when none is close.
func nearest(word string, known []string) string {
	best, bestDistance := "", 3
	for _, name := range known {
		d := distance(word, name)
		if strings.HasPrefix(name, word) || strings.HasPrefix(word, name) {
			d = min(d, 2) // a word that is cut short or goes on
		}
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
