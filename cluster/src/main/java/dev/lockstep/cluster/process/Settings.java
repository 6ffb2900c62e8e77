// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The settings of a process: the command line overrides the environment, which overrides a file,
/// which overrides the defaults.
///
/// Read once in `main` and passed down; no other code reads the `LOCKSTEP_` variables. Every value
/// is checked when parsed, so a wrong one stops the process before it starts anything. An unknown
/// key is refused with the nearest known one; variables that Kubernetes sets are passed over.
public final class Settings {

    public static final String ENVIRONMENT_PREFIX = "LOCKSTEP_";

    /// The key that every process accepts in addition to its own.
    public static final Key<String> CONFIG =
            Key.text("config", "FILE", "file with a line \"key = value\" for each setting");

    /// @param source as the user wrote the key, for messages
    private record Given(String text, String source) {}

    private final SettingsSpec spec;
    private final Map<String, Given> given;
    private final List<String> arguments;
    private final List<String> passedOver;

    private Settings(
            SettingsSpec spec,
            Map<String, Given> given,
            List<String> arguments,
            Collection<String> passedOver) {
        this.spec = spec;
        this.given = given;
        this.arguments = List.copyOf(arguments);
        this.passedOver = List.copyOf(passedOver);
    }

    /// Reads and checks all settings of a process.
    ///
    /// @throws SettingsException with one line that names key, value and limit
    public static Settings parse(
            SettingsSpec spec, List<String> commandLine, Map<String, String> environment) {
        SettingsSpec whole = spec.find(CONFIG.name()).isPresent() ? spec : spec.and(CONFIG);
        Map<String, Given> flags = new HashMap<>();
        List<String> arguments = readCommandLine(whole, commandLine, flags);
        Set<String> passedOver = new TreeSet<>();
        Map<String, Given> variables = readEnvironment(whole, environment, passedOver);

        Map<String, Given> given = new HashMap<>(variables);
        given.putAll(flags);
        Given file = given.get(CONFIG.name());
        if (file != null) {
            readFile(whole, Path.of(file.text()), file.source()).forEach(given::putIfAbsent);
        }
        var settings = new Settings(whole, given, arguments, passedOver);
        whole.keys().forEach(settings::find);
        return settings;
    }

    /// Returns the value of a key that was given or has a default.
    ///
    /// @throws SettingsException when it has neither
    public <T> T value(Key<T> key) {
        return find(key)
                .orElseThrow(
                        () ->
                                new SettingsException(
                                        "--" + key.name() + " is missing: " + key.help()));
    }

    /// Returns the value of a key, or empty when it was not given and has no default.
    public <T> Optional<T> find(Key<T> key) {
        if (spec.find(key.name()).isEmpty()) {
            throw new IllegalArgumentException("--" + key.name() + " is not a key of this process");
        }
        Given text = given.get(key.name());
        return text != null
                ? Optional.of(key.parse(text.text(), text.source()))
                : key.defaultValue()
                        .map(value -> key.parse(value, "the default of --" + key.name()));
    }

    /// Returns whether the key was given, rather than defaulted.
    public boolean isGiven(Key<?> key) {
        return given.containsKey(key.name());
    }

    /// Returns the words that belong to no key, in order.
    public List<String> arguments() {
        return arguments;
    }

    /// Returns a line about the environment variables that look like settings and are none; empty
    /// when there are none.
    public Optional<String> passedOver() {
        return passedOver.isEmpty()
                ? Optional.empty()
                : Optional.of(
                        "passed over, set by Kubernetes for a Service: "
                                + String.join(", ", passedOver));
    }

    /// Returns the flags that give another process the settings of this one, limited to the keys it
    /// accepts and without secrets ([#environmentFor]).
    public List<String> commandLineFor(SettingsSpec other) {
        return givenOf(other)
                .filter(key -> !key.isSecret() && !key.name().equals(CONFIG.name()))
                .map(key -> "--" + key.name() + "=" + text(key.name()))
                .toList();
    }

    /// Returns the variables that give another process the secrets of this one, limited to the keys
    /// it accepts.
    public Map<String, String> environmentFor(SettingsSpec other) {
        return givenOf(other)
                .filter(Key::isSecret)
                .collect(Collectors.toMap(Key::environmentName, key -> text(key.name())));
    }

    private Stream<Key<?>> givenOf(SettingsSpec other) {
        return other.keys().stream().filter(key -> given.containsKey(key.name()));
    }

    private String text(String name) {
        Given value = given.get(name);
        return value == null ? "" : value.text();
    }

    private static List<String> readCommandLine(
            SettingsSpec spec, List<String> words, Map<String, Given> into) {
        List<String> arguments = new ArrayList<>();
        for (int i = 0; i < words.size(); i++) {
            String word = words.get(i);
            if (word.equals("--")) {
                arguments.addAll(words.subList(i + 1, words.size()));
                break;
            }
            if (!word.startsWith("--")) {
                arguments.add(word);
                continue;
            }
            int equals = word.indexOf('=');
            String name = word.substring(2, equals < 0 ? word.length() : equals);
            Key<?> key = spec.find(name).orElseThrow(() -> unknown(spec, "--", name, name));
            Optional<String> following =
                    i + 1 < words.size() ? Optional.of(words.get(i + 1)) : Optional.empty();
            String value;
            if (equals >= 0) {
                value = word.substring(equals + 1);
            } else if (key.isFlag()) {
                boolean spelledOut =
                        following
                                .filter(next -> next.equals("true") || next.equals("false"))
                                .isPresent();
                value = spelledOut ? words.get(++i) : "true";
            } else {
                value =
                        following
                                .filter(next -> !next.startsWith("--"))
                                .orElseThrow(
                                        () ->
                                                new SettingsException(
                                                        "--"
                                                                + name
                                                                + " needs a value: "
                                                                + key.values()));
                i++;
            }
            into.put(name, new Given(value, "--" + name));
        }
        if (!arguments.isEmpty() && spec.argumentsName().isEmpty()) {
            throw new SettingsException(
                    "unexpected argument \"" + arguments.getFirst() + "\"; flags begin with --");
        }
        return arguments;
    }

    private static Map<String, Given> readEnvironment(
            SettingsSpec spec, Map<String, String> environment, Set<String> passedOver) {
        Map<String, Given> found = new HashMap<>();
        environment.forEach(
                (variable, value) -> {
                    if (!variable.startsWith(ENVIRONMENT_PREFIX)) {
                        return;
                    }
                    String suffix = variable.substring(ENVIRONMENT_PREFIX.length());
                    String name = suffix.toLowerCase(Locale.ROOT).replace('_', '-');
                    if (ServiceVariables.include(suffix, value)) {
                        passedOver.add(variable);
                    } else if (spec.find(name).isPresent()) {
                        found.put(name, new Given(value, variable));
                    } else if (!spec.passesOver(name)) {
                        throw unknown(
                                spec, "environment variable " + ENVIRONMENT_PREFIX, suffix, name);
                    }
                });
        return found;
    }

    private static Map<String, Given> readFile(SettingsSpec spec, Path file, String source) {
        List<String> lines;
        try {
            lines = Files.readAllLines(file);
        } catch (IOException e) {
            throw new SettingsException(source + ": file \"" + file + "\" cannot be read");
        }
        Map<String, Given> found = new HashMap<>();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i).strip();
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            String where = file + ":" + (i + 1) + ": ";
            int equals = line.indexOf('=');
            if (equals < 0) {
                // Without the line, which may have a secret.
                throw new SettingsException(where + "the line is not \"key = value\"");
            }
            String name = line.substring(0, equals).strip();
            if (spec.find(name).isPresent()) {
                found.put(name, new Given(line.substring(equals + 1).strip(), where + name));
            } else if (!spec.passesOver(name)) {
                throw unknown(spec, where, name, name);
            }
        }
        return found;
    }

    private static SettingsException unknown(
            SettingsSpec spec, String before, String written, String name) {
        String hint =
                spec.nearest(name)
                        .map(key -> "; did you mean --" + key + "?")
                        .orElse("; see --help");
        return new SettingsException("unknown setting " + before + written + hint);
    }
}
