// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cluster.process.SettingsException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests where a token is read from, and that it is never printed.
class HubTokenTest {
    @TempDir Path folder;
    private Path file;
    private Path other;

    @BeforeEach
    void name() {
        file = folder.resolve("token");
        other = folder.resolve("other");
    }

    private HubToken token(Map<String, String> more) {
        Map<String, String> environment = new HashMap<>(more);
        environment.putIfAbsent("HF_HOME", folder.toString());
        return HubConfig.of(environment).token();
    }

    private String refusal(Map<String, String> environment) {
        return assertThrows(SettingsException.class, () -> token(environment)).getMessage() + "";
    }

    @Test
    void theVariableTakesPrecedenceOverTheNamedFileAndThatOverTheHomeFolder() throws IOException {
        Map<String, String> named = Map.of("HF_TOKEN_PATH", other.toString());
        Files.writeString(file, "of-home\n");
        Files.writeString(other, "\tof-file\r\n");
        assertEquals(new HubToken(Optional.of("of-home"), "" + file, file), token(Map.of()));
        assertEquals(new HubToken(Optional.of("of-file"), "" + other, other), token(named));
        Map<String, String> both = new HashMap<>(named);
        both.put("HF_TOKEN", " of-variable\n");
        assertEquals(new HubToken(Optional.of("of-variable"), "HF_TOKEN", other), token(both));
        both.put("HF_TOKEN", " ");
        assertEquals(Optional.of("of-file"), token(both).text());
    }

    @Test
    void theHomeFolderIsThatOfOtherClients() throws IOException {
        Path home = Files.createDirectories(folder.resolve("huggingface"));
        Files.writeString(home.resolve("token"), "of-cache");
        assertEquals(
                Optional.of("of-cache"),
                HubConfig.of(Map.of("XDG_CACHE_HOME", folder.toString())).token().text());
        assertEquals(
                Path.of(System.getProperty("user.home"), ".cache/huggingface/token"),
                HubConfig.of(Map.of("HF_TOKEN", "t")).token().file());
    }

    @Test
    void aMissingOrEmptyFileIsNoToken() throws IOException {
        assertEquals(Optional.empty(), token(Map.of()).text());
        Files.writeString(file, "\n");
        assertEquals(Optional.empty(), token(Map.of()).text());
        assertEquals(Optional.empty(), token(Map.of("HF_TOKEN_PATH", folder + "/absent")).text());
        assertEquals("HF_TOKEN or the file " + file, token(Map.of()).places());
    }

    @Test
    void aFileThatCannotBeReadIsNamed() throws IOException {
        Files.createDirectory(file);
        assertEquals(
                "the token file %s cannot be read: make it readable, name another with HF_TOKEN_PATH, or set HF_TOKEN"
                        .formatted(file),
                refusal(Map.of()));
        assertEquals(Optional.of("t"), token(Map.of("HF_TOKEN", "t")).text());
    }

    @ParameterizedTest
    @ValueSource(strings = {"se cret", "secret\u00e9", "secret\u0000"})
    void anInvalidTokenIsRefusedAndNotPrinted(String text) throws IOException {
        assertEquals(
                "HF_TOKEN holds a character that no token has: copy the token alone into it",
                refusal(Map.of("HF_TOKEN", text)));
        Files.writeString(file, text);
        assertEquals(
                file + " holds a character that no token has: copy the token alone into it",
                refusal(Map.of()));
    }

    @Test
    void toStringExcludesTheToken() throws IOException {
        HubConfig config = HubConfig.of(Map.of("HF_HOME", folder.toString(), "HF_TOKEN", "secret"));
        assertFalse(config.toString().contains("secret"));
        assertEquals("HubToken[HF_TOKEN]", config.token().toString());
        assertEquals("HubToken[none]", token(Map.of()).toString());
    }
}
