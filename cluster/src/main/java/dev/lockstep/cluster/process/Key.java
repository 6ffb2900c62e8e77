// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// One setting: its name, the values it accepts, its default and its line of help.
///
/// The help text is printed from the keys, so it cannot differ from what is parsed.
public final class Key<T> {

    private static final Pattern NAME = Pattern.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*");
    private static final Pattern BYTES =
            Pattern.compile("(\\d{1,18})\\s*([kmgt]?)(i?b)?", Pattern.CASE_INSENSITIVE);
    private static final Pattern DURATION = Pattern.compile("(\\d{1,12})\\s*(ms|s|m|h)");

    private final String name;
    private final String values;
    private final Optional<String> defaultValue;
    private final String defaultWords;
    private final String help;
    private final Function<String, T> parser;
    private final Kind kind;

    private enum Kind {
        VALUE,
        FLAG,
        SECRET
    }

    private Key(
            String name,
            String values,
            Optional<String> defaultValue,
            String defaultWords,
            String help,
            Function<String, T> parser,
            Kind kind) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "key \"" + name + "\" is not lower-case words joined by '-'");
        }
        this.name = name;
        this.values = values;
        this.defaultValue = defaultValue;
        this.defaultWords = defaultWords;
        this.help = help;
        this.parser = parser;
        this.kind = kind;
    }

    private static <T> Key<T> of(
            String name, String values, String help, Function<String, T> parser) {
        return new Key<>(name, values, Optional.empty(), "", help, parser, Kind.VALUE);
    }

    /// Creates a key for a text that is not empty.
    public static Key<String> text(String name, String values, String help) {
        return of(name, values, help, text -> filled(text, values));
    }

    /// Creates a key for a secret, which is not empty. It is passed to other processes in their
    /// environment, because any user can read a command line, and no message contains it.
    public static Key<String> secret(String name, String values, String help) {
        return new Key<>(
                name,
                values,
                Optional.empty(),
                "",
                help,
                text -> filled(text, values),
                Kind.SECRET);
    }

    /// Creates a key for a text that may be empty.
    public static Key<String> anyText(String name, String values, String help) {
        return of(name, values, help, Function.identity());
    }

    /// Creates a key for one or more texts, separated by commas.
    public static Key<List<String>> texts(String name, String values, String help) {
        return texts(name, values, help, UnaryOperator.identity());
    }

    /// Creates a key for one or more texts, separated by commas; `part` checks and converts each,
    /// and throws `IllegalArgumentException`.
    public static Key<List<String>> texts(
            String name, String values, String help, UnaryOperator<String> part) {
        return of(name, values, help, text -> list(text, values).stream().map(part).toList());
    }

    /// Creates a key for the name of a group or cluster.
    public static Key<String> memberName(String name, String help) {
        return of(name, "NAME", help, text -> ClusterName.require(text, "the name"));
    }

    public static Key<Integer> integer(String name, int min, int max, String help) {
        return of(name, "NUMBER", help, text -> Math.toIntExact(number(text, min, max)));
    }

    public static Key<Long> whole(String name, long min, long max, String help) {
        return of(name, "NUMBER", help, text -> number(text, min, max));
    }

    /// Creates a key for a number with or without a fraction.
    public static Key<Double> decimal(String name, double min, double max, String help) {
        return of(name, "NUMBER", help, text -> decimal(text, min, max));
    }

    /// Creates a key for a size such as `1536M` or `2G`; K, M, G and T are steps of 1024.
    public static Key<Long> bytes(String name, long min, String help) {
        return of(name, "BYTES", help, text -> byteCount(text, min));
    }

    /// Creates a key for a time such as `200ms`, `30s`, `5m` or `1h`.
    public static Key<Duration> duration(String name, Duration min, Duration max, String help) {
        return of(name, "TIME", help, text -> duration(text, min, max));
    }

    /// Creates a key for an enum constant, written in lower case with '-' for '_'.
    public static <E extends Enum<E>> Key<E> choice(String name, Class<E> type, String help) {
        return of(name, words(type), help, text -> constant(text, type));
    }

    /// Creates a key for a flag, false by default: `--name` alone means true; `--name=false` is
    /// possible.
    public static Key<Boolean> flag(String name, String help) {
        return new Key<>(name, "", Optional.of("false"), "off", help, Key::truth, Kind.FLAG);
    }

    /// Returns this key with a default value, which is checked now.
    public Key<T> orElse(String value) {
        parse(value, "the default of --" + name);
        return new Key<>(name, values, Optional.of(value), value, help, parser, kind);
    }

    /// Returns this key with a default described in words, for a value that the reader of the key
    /// computes.
    public Key<T> orElseComputed(String words) {
        return new Key<>(name, values, Optional.empty(), words, help, parser, kind);
    }

    public String name() {
        return name;
    }

    /// Returns the values for help: `BYTES`, `auto|f32|bf16`; empty for a flag.
    public String values() {
        return values;
    }

    public String help() {
        return help;
    }

    /// Returns the default for help: its text, or words; empty when there is none.
    public String defaultWords() {
        return defaultWords;
    }

    /// Returns the name in the environment: `LOCKSTEP_KV_MEMORY`.
    public String environmentName() {
        return Settings.ENVIRONMENT_PREFIX + name.toUpperCase(Locale.ROOT).replace('-', '_');
    }

    Optional<String> defaultValue() {
        return defaultValue;
    }

    boolean isSecret() {
        return kind == Kind.SECRET;
    }

    boolean isFlag() {
        return kind == Kind.FLAG;
    }

    /// @param source how the user wrote the key, so that the message points there
    T parse(String text, String source) {
        try {
            return parser.apply(text.strip());
        } catch (IllegalArgumentException e) {
            throw new SettingsException(source + ": " + e.getMessage());
        }
    }

    private static String filled(String text, String values) {
        if (text.isEmpty()) {
            throw new IllegalArgumentException("is empty, give " + values);
        }
        return text;
    }

    private static List<String> list(String text, String values) {
        List<String> parts = Arrays.stream(text.split(",", -1)).map(String::strip).toList();
        if (parts.stream().anyMatch(String::isEmpty)) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" has an empty part, give " + values);
        }
        if (new HashSet<>(parts).size() < parts.size()) {
            throw new IllegalArgumentException("\"" + text + "\" has a part twice");
        }
        return parts;
    }

    private static long number(String text, long min, long max) {
        long value;
        try {
            value = Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("\"" + text + "\" is not a whole number", e);
        }
        if (value < min || value > max) {
            throw new IllegalArgumentException(value + " is outside [" + min + ", " + max + "]");
        }
        return value;
    }

    private static double decimal(String text, double min, double max) {
        double value;
        try {
            value = Double.parseDouble(text);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("\"" + text + "\" is not a number", e);
        }
        if (!(value >= min && value <= max)) {
            throw new IllegalArgumentException(text + " is outside [" + min + ", " + max + "]");
        }
        return value;
    }

    private static long byteCount(String text, long min) {
        Matcher matcher = BYTES.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" is not a size; write bytes or 512K, 1536M, 2G");
        }
        int shift =
                10
                        * " kmgt"
                                .indexOf(
                                        matcher.group(2).isEmpty()
                                                ? " "
                                                : matcher.group(2).toLowerCase(Locale.ROOT));
        long count = Long.parseLong(matcher.group(1));
        if (count > Long.MAX_VALUE >> shift) {
            throw new IllegalArgumentException(text + " is more bytes than a number can hold");
        }
        if (count << shift < min) {
            throw new IllegalArgumentException(text + " is below the minimum of " + min + " bytes");
        }
        return count << shift;
    }

    private static Duration duration(String text, Duration min, Duration max) {
        Matcher matcher = DURATION.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" is not a time; write 200ms, 30s, 5m or 1h");
        }
        long count = Long.parseLong(matcher.group(1));
        Duration value =
                switch (matcher.group(2)) {
                    case "ms" -> Duration.ofMillis(count);
                    case "s" -> Duration.ofSeconds(count);
                    case "m" -> Duration.ofMinutes(count);
                    default -> Duration.ofHours(count);
                };
        if (value.compareTo(min) < 0 || value.compareTo(max) > 0) {
            throw new IllegalArgumentException(
                    text + " is outside [" + words(min) + ", " + words(max) + "]");
        }
        return value;
    }

    private static String words(Duration duration) {
        return duration.toMillis() % 1000 == 0
                ? duration.toSeconds() + "s"
                : duration.toMillis() + "ms";
    }

    private static <E extends Enum<E>> String words(Class<E> type) {
        return Arrays.stream(type.getEnumConstants())
                .map(Key::word)
                .collect(Collectors.joining("|"));
    }

    private static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static <E extends Enum<E>> E constant(String text, Class<E> type) {
        return Arrays.stream(type.getEnumConstants())
                .filter(constant -> word(constant).equals(text))
                .findFirst()
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "\""
                                                + text
                                                + "\" is none of "
                                                + words(type).replace("|", ", ")));
    }

    private static boolean truth(String text) {
        return switch (text) {
            case "true" -> true;
            case "false" -> false;
            default ->
                    throw new IllegalArgumentException(
                            "\"" + text + "\" is neither true nor false");
        };
    }
}
