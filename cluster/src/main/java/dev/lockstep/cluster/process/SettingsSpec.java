// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/// The keys that one process accepts, in the order in which its help shows them.
public final class SettingsSpec {

    private final Map<String, Key<?>> keys = new LinkedHashMap<>();
    private final List<Supplier<Set<String>>> elsewhere;
    private final String arguments;

    private SettingsSpec(
            Collection<Key<?>> keys, List<Supplier<Set<String>>> elsewhere, String arguments) {
        for (Key<?> key : keys) {
            if (this.keys.putIfAbsent(key.name(), key) != null) {
                throw new IllegalArgumentException("--" + key.name() + " is declared twice");
            }
        }
        this.elsewhere = List.copyOf(elsewhere);
        this.arguments = arguments;
    }

    public static SettingsSpec of(Key<?>... keys) {
        return new SettingsSpec(List.of(keys), List.of(), "");
    }

    public static SettingsSpec of(Collection<Key<?>> keys) {
        return new SettingsSpec(keys, List.of(), "");
    }

    public SettingsSpec and(Key<?>... more) {
        List<Key<?>> all = new ArrayList<>(keys.values());
        all.addAll(List.of(more));
        return new SettingsSpec(all, elsewhere, arguments);
    }

    /// Returns a spec that ignores these keys, too, in the file and the environment, which all
    /// processes share; on the command line they remain unknown.
    ///
    /// @param keyNames is asked only where there is such a key
    public SettingsSpec passingOver(Supplier<Set<String>> keyNames) {
        List<Supplier<Set<String>>> all = new ArrayList<>(elsewhere);
        all.add(keyNames);
        return new SettingsSpec(keys.values(), all, arguments);
    }

    /// Returns a spec that accepts words that belong to no key ([Settings#arguments]); `name` shows
    /// them in help.
    public SettingsSpec takingArguments(String name) {
        return new SettingsSpec(keys.values(), elsewhere, name);
    }

    public Collection<Key<?>> keys() {
        return List.copyOf(keys.values());
    }

    public Set<String> keyNames() {
        return Set.copyOf(keys.keySet());
    }

    /// Returns the name of the arguments for help; empty when none are accepted.
    public String argumentsName() {
        return arguments;
    }

    Optional<Key<?>> find(String name) {
        return Optional.ofNullable(keys.get(name));
    }

    boolean passesOver(String name) {
        return elsewhere.stream().anyMatch(names -> names.get().contains(name));
    }

    /// Returns one line per key, for `--help`.
    public String help() {
        int width = 0;
        for (Key<?> key : keys.values()) {
            width = Math.max(width, usage(key).length());
        }
        var text = new StringBuilder();
        for (Key<?> key : keys.values()) {
            String usage = usage(key);
            text.append("  ").append(usage).append(" ".repeat(width - usage.length() + 2));
            text.append(key.help());
            if (!key.defaultWords().isEmpty() && !key.isFlag()) {
                text.append(" (").append(key.defaultWords()).append(')');
            }
            text.append('\n');
        }
        return text.toString();
    }

    private static String usage(Key<?> key) {
        return "--" + key.name() + (key.values().isEmpty() ? "" : " " + key.values());
    }

    /// Returns the key that was probably meant, when one is near.
    Optional<String> nearest(String wrong) {
        return Nearest.of(wrong, keys.keySet());
    }
}
