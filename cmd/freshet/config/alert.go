package config

import (
	"path/filepath"
	"strings"

	"github.com/freshet-dev/freshet/alert"
)

// Alert is either a file in Alertmanager's format or the same keys inline. Keys that Alertmanager does not know may stand
// beside the file, so that Alertmanager can read it too.
type Alert struct {
	ConfigFile string `yaml:"config_file"`
	// Watch has what stands here, in ConfigFile and in templates loaded anew when it changes.
	Watch        bool `yaml:"watch"`
	alert.Config `yaml:",inline"`

	// main is where freshet.yaml has what, file where the file does, nil without one.
	main, file *strict
}

// Defaults are the values of what the configuration leaves out: Alertmanager's in a file that ConfigFile names.
func (a *Alert) Defaults() alert.Defaults {
	if a.ConfigFile != "" {
		return alert.AlertmanagerDefaults()
	}
	return alert.InlineDefaults()
}

// parseFile decodes and checks the content of the file that ConfigFile names.
func (a *Alert) parseFile(content []byte, lookupEnv func(string) (string, bool)) []Fault {
	a.file = newStrict(a.ConfigFile, content, lookupEnv)
	a.file.foreign = true
	a.file.decode(content, &a.Config)
	a.SetDirectory(filepath.Dir(a.ConfigFile)) // before the templates are read
	a.add(a.Validate())
	return append(a.main.report(), a.file.report()...)
}

func (a *Alert) add(faults []alert.Fault) {
	for _, f := range faults {
		s, prefix := a.at(f.Path)
		s.check(alertFaults(prefix, []alert.Fault{f}))
	}
}

// at returns what decoded a path of the alerter's, and what stands before the path there.
func (a *Alert) at(path string) (*strict, string) {
	root, _, _ := strings.Cut(path, ".")
	root, _, _ = strings.Cut(root, "[")
	if a.file != nil && (a.file.given(root) || !a.main.given("alert."+root)) {
		return a.file, ""
	}
	return a.main, "alert."
}

// MissingFiles returns a fault for each file with a secret or a certificate of receivers that cannot be read. Only who sends
// notifications needs them.
func (a *Alert) MissingFiles() []Fault { return a.Places(a.Unreadable()) }

// Places returns remarks about the alerter's part with their places, in the order of these.
func (a *Alert) Places(remarks []alert.Fault) []Fault {
	var main, file []Fault
	for _, f := range remarks {
		switch s, prefix := a.at(f.Path); s {
		case nil: // there is no file
			main = append(main, alertFaults(prefix, []alert.Fault{f})...)
		case a.main:
			main = append(main, s.locate(alertFaults(prefix, []alert.Fault{f}))...)
		default:
			file = append(file, s.locate(alertFaults(prefix, []alert.Fault{f}))...)
		}
	}
	if a.main != nil {
		main = a.main.inOrder(main)
	}
	if a.file != nil {
		file = a.file.inOrder(file)
	}
	return append(main, file...)
}

func alertFaults(prefix string, faults []alert.Fault) []Fault {
	var out []Fault
	for _, f := range faults {
		hint := f.Hint
		if len(f.Known) > 0 {
			hint = didYouMean(f.Unknown, f.Known)
		}
		out = append(out, Fault{Path: prefix + f.Path, Message: f.Message, Hint: hint})
	}
	return out
}
