// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/// What a user may choose of a check.
///
/// @param folder for the report and the output of every process
/// @param limit of the whole check
/// @param silence the longest time that a test may take
/// @param only what `Class#method` of a test must contain
record CheckOptions(Path folder, Duration limit, Duration silence, Pattern only) {

    CheckOptions {
        requireTime("--seconds", limit);
        requireTime("--silence", silence);
    }

    static CheckOptions parse(String... arguments) {
        Path folder = Path.of("gpu-check-report");
        Duration limit = Duration.ofSeconds(460);
        Duration silence = Duration.ofSeconds(60);
        Pattern only = Pattern.compile("");
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            String key = equals < 0 ? argument : argument.substring(0, equals);
            String value = argument.substring(equals + 1);
            switch (key) {
                case "--report" -> folder = Path.of(value);
                case "--seconds" -> limit = seconds(key, value);
                case "--silence" -> silence = seconds(key, value);
                case "--only" -> only = pattern(key, value);
                default ->
                        throw new IllegalArgumentException(
                                "%s is none of --cuda-libraries=PATH, --report=FOLDER, --seconds=N, --silence=N, --only=PATTERN"
                                        .formatted(argument));
            }
        }
        return new CheckOptions(folder, limit, silence, only);
    }

    private static Duration seconds(String key, String value) {
        try {
            return Duration.ofSeconds(Integer.parseInt(value));
        } catch (NumberFormatException failure) {
            throw new IllegalArgumentException(
                    "%s is %s, must be a number of seconds".formatted(key, value), failure);
        }
    }

    private static Pattern pattern(String key, String value) {
        try {
            return Pattern.compile(value);
        } catch (PatternSyntaxException failure) {
            throw new IllegalArgumentException(
                    "%s is %s, must be a regular expression".formatted(key, value), failure);
        }
    }

    private static void requireTime(String key, Duration time) {
        if (!time.isPositive()) {
            throw new IllegalArgumentException(
                    "%s is %d, must be at least 1".formatted(key, time.toSeconds()));
        }
    }
}
