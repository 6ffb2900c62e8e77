// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import dev.lockstep.cluster.process.SettingsException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/// A user's token for a hub: the value of `HF_TOKEN`, else the content of the file that the hub's
/// other clients write at a login.
///
/// @param text the token; empty if there is none
/// @param source the variable or the file that it is from
/// @param file the path of the token file, whether or not it exists
record HubToken(Optional<String> text, String source, Path file) {
    private static final String VARIABLE = "HF_TOKEN";
    private static final String FILE_VARIABLE = "HF_TOKEN_PATH";

    /// Reads the token.
    ///
    /// @param home the home folder of the hub's clients
    static HubToken of(Map<String, String> environment, Path home) {
        Path file =
                HubConfig.given(environment, FILE_VARIABLE)
                        .map(Path::of)
                        .orElse(home.resolve("token"))
                        .toAbsolutePath();
        Optional<String> given = token(environment.getOrDefault(VARIABLE, ""), VARIABLE);
        return given.isPresent()
                ? new HubToken(given, VARIABLE, file)
                : new HubToken(read(file), file.toString(), file);
    }

    /// Returns the places where a user may put a token, for messages.
    String places() {
        return "%s or the file %s".formatted(VARIABLE, file);
    }

    private static Optional<String> read(Path file) {
        try {
            // Every byte is a character here; characters that no token has are refused.
            return token(Files.readString(file, StandardCharsets.ISO_8859_1), file.toString());
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw new SettingsException(
                    "the token file %s cannot be read: make it readable, name another with %s, or set %s"
                            .formatted(file, FILE_VARIABLE, VARIABLE));
        }
    }

    /// Checks a token; removes the line ends that copying adds.
    private static Optional<String> token(String value, String source) {
        String token = value.replaceAll("[\r\n]", "").strip();
        if (!token.matches("[!-~]*")) {
            // The HTTP client would refuse it too, but with the token in its message.
            throw new SettingsException(
                    "%s holds a character that no token has: copy the token alone into it"
                            .formatted(source));
        }
        return Optional.of(token).filter(it -> !it.isEmpty());
    }

    /// Excludes the token, which must not be logged.
    @Override
    public String toString() {
        return "HubToken[%s]".formatted(text.isPresent() ? source : "none");
    }
}
