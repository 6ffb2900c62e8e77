// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.SettingsException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests the names of models, the choice of their files, and the environment variables.
class HubNameTest {
    private static HubName name(String text) {
        return HubName.parse(text).orElseThrow();
    }

    private static HubFiles choose(String name, String... files) {
        return HubFiles.choose(name(name), List.of(files));
    }

    private static String refusal(String name, String... files) {
        return assertThrows(UnusableException.class, () -> choose(name, files)).getMessage() + "";
    }

    @Test
    void aNameHasARevisionAndAChoice() {
        assertEquals(
                new HubName("acme", "tiny-1.5B", "main", Optional.empty()), name("acme/tiny-1.5B"));
        assertEquals(
                new HubName("acme", "tiny", "refs/pr/1", Optional.of("Q4_K_M")),
                name("acme/tiny@refs/pr/1:Q4_K_M"));
        assertEquals("acme/tiny@v1", name("acme/tiny@v1:Q8_0").toString());
        assertEquals("acme/tiny", name("acme/tiny:Q8_0").toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "tiny",
                "/acme/tiny",
                "acme/tiny/more",
                "../tiny",
                "acme/..",
                "acme/.hidden",
                "acme/",
                "a--b/c",
                "acme/tiny@",
                "acme/tiny@../x",
                "acme/tiny:",
                "acme/ti ny",
                ""
            })
    void otherFormsAreRefused(String text) {
        assertEquals(Optional.empty(), HubName.parse(text));
    }

    @Test
    void allPartsOfASplitFileAreChosen() {
        HubFiles files =
                choose(
                        "acme/tiny:Q4_K_M",
                        "Q4_K_M/tiny-Q4_K_M-00002-of-00002.gguf",
                        "Q4_K_M/tiny-Q4_K_M-00001-of-00002.gguf",
                        "Q8_0/tiny-Q8_0-00001-of-00001.gguf",
                        "model.safetensors",
                        "config.json");
        assertEquals(
                List.of(
                        "Q4_K_M/tiny-Q4_K_M-00001-of-00002.gguf",
                        "Q4_K_M/tiny-Q4_K_M-00002-of-00002.gguf"),
                files.names());
        assertEquals(Optional.of("Q4_K_M/tiny-Q4_K_M-00001-of-00002.gguf"), files.gguf());
    }

    @Test
    void aSingleGgufFileIsChosenWhateverItsType() {
        assertEquals(
                Optional.of("tiny.gguf"),
                choose("acme/tiny", "tiny.gguf", "mmproj-f16.gguf").gguf());
    }

    @Test
    void severalFilesWithoutAUsualTypeNeedAChoice() {
        assertEquals(
                "acme/tiny has 2 GGUF files: choose one with acme/tiny:FILE; there are a-F16.gguf,"
                        + " a-Q6_K.gguf",
                refusal("acme/tiny", "a-Q6_K.gguf", "a-F16.gguf"));
    }

    @Test
    void aChoiceOfNoneOrSeveralListsTheFiles() {
        assertEquals(
                "acme/tiny: \"Q2_K\" names none of its GGUF files; there are a-Q6_K.gguf",
                refusal("acme/tiny:Q2_K", "a-Q6_K.gguf", "config.json"));
        assertEquals(
                "acme/tiny: \"Q6_K\" names 2 of its GGUF files; there are a-Q6_K.gguf, b-Q6_K.gguf",
                refusal("acme/tiny:Q6_K", "a-Q6_K.gguf", "b-Q6_K.gguf", "b-F16.gguf"));
    }

    @Test
    void aModelInAnUnsupportedFormIsRefused() {
        assertEquals(
                "acme/tiny has neither model.safetensors nor model.safetensors.index.json nor a"
                        + " .gguf file: name a model in one of these forms",
                refusal("acme/tiny", "config.json", "pytorch_model.bin"));
        assertTrue(refusal("acme/tiny", "model.safetensors").contains("no config.json"));
    }

    @Test
    void theVariablesOfOtherClientsAreRead() {
        HubConfig nothing = HubConfig.of(Map.of());
        assertEquals(URI.create("https://huggingface.co"), nothing.endpoint());
        assertFalse(nothing.offline());
        assertEquals(
                Path.of(System.getProperty("user.home"), ".cache/huggingface/hub"),
                nothing.cache());
        assertEquals(
                Path.of("/x/huggingface/hub"),
                HubConfig.of(Map.of("XDG_CACHE_HOME", "/x")).cache());
        assertEquals(
                Path.of("/h/hub"),
                HubConfig.of(Map.of("XDG_CACHE_HOME", "/x", "HF_HOME", "/h")).cache());
        HubConfig given =
                HubConfig.of(
                        Map.of(
                                "HF_HOME", "/h",
                                "HF_HUB_CACHE", "/c",
                                "HF_TOKEN", " t\n",
                                "HF_HUB_OFFLINE", "YES",
                                "HF_ENDPOINT", "http://mirror:8080/hf/"));
        assertEquals(Path.of("/c"), given.cache());
        assertEquals(Optional.of("t"), given.token().text());
        assertTrue(given.offline());
        assertEquals(URI.create("http://mirror:8080/hf"), given.endpoint());
        assertFalse(HubConfig.of(Map.of("HF_HUB_OFFLINE", "0")).offline());
    }

    @Test
    void anEndpointThatIsNotAUrlIsRefused() {
        String message =
                assertThrows(
                                        SettingsException.class,
                                        () -> HubConfig.of(Map.of("HF_ENDPOINT", "huggingface.co")))
                                .getMessage()
                        + "";
        assertEquals(
                "HF_ENDPOINT: \"huggingface.co\" is not a URL such as https://huggingface.co",
                message);
    }
}
