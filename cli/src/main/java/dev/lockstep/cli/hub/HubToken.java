package dev.lockstep.cli.hub;

import dev.lockstep.cluster.process.SettingsException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/// A user's token for a hub: `HF_TOKEN`, else what the file holds that the hub's other clients
/// write at a login.
///
/// @param text empty where there is none
/// @param source the variable or the file that it is from
/// @param file where one is looked for
record HubToken(Optional<String> text, String source, Path file) {
    private static final String VARIABLE = "HF_TOKEN";
    private static final String FILE_VARIABLE = "HF_TOKEN_PATH";

    /// @param home of the hub's clients
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

    /// Where one may be put.
    String places() {
        return "%s or the file %s".formatted(VARIABLE, file);
    }

    private static Optional<String> read(Path file) {
        try {
            // A byte is a character, and those that no token has are refused.
            return token(Files.readString(file, StandardCharsets.ISO_8859_1), file.toString());
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw new SettingsException(
                    "the token file %s cannot be read: make it readable, name another with %s, or set %s"
                            .formatted(file, FILE_VARIABLE, VARIABLE));
        }
    }

    /// Without the line ends that come with copying.
    private static Optional<String> token(String value, String source) {
        String token = value.replaceAll("[\r\n]", "").strip();
        if (!token.matches("[!-~]*")) {
            // The HTTP client would refuse it too, and show it.
            throw new SettingsException(
                    "%s holds a character that no token has: copy the token alone into it"
                            .formatted(source));
        }
        return Optional.of(token).filter(it -> !it.isEmpty());
    }

    /// The token is no text for a log.
    @Override
    public String toString() {
        return "HubToken[%s]".formatted(text.isPresent() ? source : "none");
    }
}
