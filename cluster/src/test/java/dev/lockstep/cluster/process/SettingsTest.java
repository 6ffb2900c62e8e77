// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import static dev.lockstep.cluster.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SettingsTest {

    private enum Type {
        AUTO,
        F32,
        VERY_SMALL
    }

    private static final Key<String> MODEL = Key.text("model", "PATH", "what to serve");
    private static final Key<Integer> PORT =
            Key.integer("port", 0, 65535, "where to listen").orElse("8000");
    private static final Key<Long> MEMORY =
            Key.bytes("kv-memory", 1024, "memory for KV blocks")
                    .orElseComputed("half the free memory");
    private static final Key<Duration> TIMEOUT =
            Key.duration(
                            "drain-timeout",
                            Duration.ZERO,
                            Duration.ofMinutes(10),
                            "how long streams may go on")
                    .orElse("60s");
    private static final Key<Type> TYPE =
            Key.choice("dtype", Type.class, "what to compute in").orElse("auto");
    private static final Key<Boolean> PIPE =
            Key.flag("parent-pipe", "stop when standard input ends");
    private static final SettingsSpec SPEC =
            SettingsSpec.of(MODEL, PORT, MEMORY, TIMEOUT, TYPE, PIPE);

    @Test
    void bothFormsOfAValueAreAccepted() {
        Settings settings =
                parse("--port=1", "--model", "a folder", "--kv-memory", "2G", "--dtype=very-small");
        assertEquals(1, settings.value(PORT));
        assertEquals("a folder", settings.value(MODEL));
        assertEquals(2L << 30, settings.value(MEMORY));
        assertEquals(Type.VERY_SMALL, settings.value(TYPE));
    }

    @Test
    void defaultsApplyWhenNothingIsGiven() {
        Settings settings = parse();
        assertEquals(8000, settings.value(PORT));
        assertEquals(Duration.ofSeconds(60), settings.value(TIMEOUT));
        assertEquals(Type.AUTO, settings.value(TYPE));
        assertEquals(Optional.empty(), settings.find(MEMORY));
        assertFalse(settings.value(PIPE));
        assertFalse(settings.isGiven(PORT));
    }

    @Test
    void aFractionIsReadWithinItsLimits() {
        Key<Double> key = Key.decimal("temperature", 0, 2, "how warm");
        SettingsSpec spec = SettingsSpec.of(key);
        Settings settings = Settings.parse(spec, List.of("--temperature", "0.7"), Map.of());
        assertEquals(0.7, settings.value(key));
        for (String wrong : List.of("2.5", "-1", "NaN", "warm")) {
            assertRefused(
                    wrong.equals("warm")
                            ? "--temperature: \"warm\" is not a number"
                            : "--temperature: " + wrong + " is outside [0.0, 2.0]",
                    () -> Settings.parse(spec, List.of("--temperature=" + wrong), Map.of()));
        }
    }

    @Test
    void aMissingValueWithoutDefaultIsNamed() {
        assertRefused("--model is missing: what to serve", () -> parse().value(MODEL));
    }

    @Test
    void flagsNeedNoValue() {
        assertTrue(parse("--parent-pipe").value(PIPE));
        assertTrue(parse("--parent-pipe", "--port=1").value(PIPE));
        assertFalse(parse("--parent-pipe=false").value(PIPE));
        assertFalse(parse("--parent-pipe", "false").value(PIPE));
    }

    @Test
    void theCommandLineOverridesTheEnvironmentWhichOverridesTheFile(@TempDir Path folder)
            throws IOException {
        Path file =
                Files.writeString(
                        folder.resolve("lockstep.conf"),
                        "# ours\n\nport = 1\nkv-memory = 1M\ndtype = f32\n");
        Settings settings =
                Settings.parse(
                        SPEC,
                        List.of("--port=3", "--config", file.toString()),
                        Map.of("LOCKSTEP_PORT", "2", "LOCKSTEP_KV_MEMORY", "2M", "HOME", "/root"));
        assertEquals(3, settings.value(PORT));
        assertEquals(2L << 20, settings.value(MEMORY));
        assertEquals(Type.F32, settings.value(TYPE));
    }

    @Test
    void anUnknownKeyIsRefusedWithTheNearestKnownOne(@TempDir Path folder) throws IOException {
        assertRefused("unknown setting --modle; did you mean --model?", () -> parse("--modle=x"));
        assertRefused("did you mean --drain-timeout?", () -> parse("--drain", "3s"));
        assertRefused("unknown setting --elephants; see --help", () -> parse("--elephants"));
        assertRefused(
                "unknown setting environment variable LOCKSTEP_PROT; did you mean --port?",
                () -> Settings.parse(SPEC, List.of(), Map.of("LOCKSTEP_PROT", "1")));
        Path file = Files.writeString(folder.resolve("c"), "port=1\nprot=2\n");
        assertRefused("c:2: prot; did you mean --port?", () -> parse("--config=" + file));
    }

    @Test
    void keysOfOtherProcessesAreIgnoredInFileAndEnvironment(@TempDir Path folder)
            throws IOException {
        SettingsSpec spec =
                SPEC.passingOver(() -> Set.of("rank")).passingOver(() -> Set.of("group"));
        Path file = Files.writeString(folder.resolve("c"), "rank=1\ngroup=a\n");
        Settings.parse(spec, List.of("--config=" + file), Map.of("LOCKSTEP_RANK", "1"));
        assertRefused(
                "unknown setting --rank",
                () -> Settings.parse(spec, List.of("--rank=1"), Map.of()));
    }

    /// Kubernetes sets them for Services named `lockstep` and `lockstep-api`.
    @Test
    void variablesOfAServiceArePassedOverInOneLine() {
        Map<String, String> environment = new HashMap<>();
        environment.put("LOCKSTEP_PORT", "tcp://10.0.0.17:8000");
        environment.put("LOCKSTEP_SERVICE_HOST", "10.0.0.17");
        environment.put("LOCKSTEP_SERVICE_PORT", "8000");
        environment.put("LOCKSTEP_SERVICE_PORT_HTTP", "8000");
        for (String name : List.of("", "_PROTO", "_PORT", "_ADDR")) {
            environment.put("LOCKSTEP_PORT_8000_TCP" + name, "tcp");
        }
        environment.put("LOCKSTEP_API_PORT", "udp://10.0.0.18:80");
        environment.put("LOCKSTEP_API_SERVICE_HOST", "10.0.0.18");
        environment.put("LOCKSTEP_API_PORT_80_UDP_ADDR", "10.0.0.18");
        environment.put("LOCKSTEP_KV_MEMORY", "2M");
        Settings settings = Settings.parse(SPEC, List.of(), environment);
        assertEquals(8000, settings.value(PORT));
        assertEquals(2L << 20, settings.value(MEMORY));
        assertEquals(
                Optional.of(
                        "passed over, set by Kubernetes for a Service: LOCKSTEP_API_PORT, LOCKSTEP_API_PORT_80_UDP_ADDR, LOCKSTEP_API_SERVICE_HOST, LOCKSTEP_PORT, LOCKSTEP_PORT_8000_TCP, LOCKSTEP_PORT_8000_TCP_ADDR, LOCKSTEP_PORT_8000_TCP_PORT, LOCKSTEP_PORT_8000_TCP_PROTO, LOCKSTEP_SERVICE_HOST, LOCKSTEP_SERVICE_PORT, LOCKSTEP_SERVICE_PORT_HTTP"),
                settings.passedOver());
        assertEquals(Optional.empty(), parse().passedOver());
        assertRefused(
                "LOCKSTEP_PORT: \"http://10.0.0.17\" is not a whole number",
                () -> Settings.parse(SPEC, List.of(), Map.of("LOCKSTEP_PORT", "http://10.0.0.17")));
    }

    @Test
    void aWrongValueNamesKeyValueAndLimit(@TempDir Path folder) throws IOException {
        assertRefused("--port: 70000 is outside [0, 65535]", () -> parse("--port=70000"));
        assertRefused("--port: \"http\" is not a whole number", () -> parse("--port", "http"));
        assertRefused("--port needs a value: NUMBER", () -> parse("--port"));
        assertRefused("--port needs a value", () -> parse("--port", "--parent-pipe"));
        assertRefused("--kv-memory: \"2X\" is not a size", () -> parse("--kv-memory=2X"));
        assertRefused(
                "--kv-memory: 1 is below the minimum of 1024 bytes", () -> parse("--kv-memory=1"));
        assertRefused("more bytes than a number", () -> parse("--kv-memory=99999999999T"));
        assertRefused(
                "--drain-timeout: 11m is outside [0s, 600s]", () -> parse("--drain-timeout=11m"));
        assertRefused("--drain-timeout: \"5\" is not a time", () -> parse("--drain-timeout=5"));
        assertRefused(
                "--dtype: \"f16\" is none of auto, f32, very-small", () -> parse("--dtype=f16"));
        assertRefused("--parent-pipe: \"maybe\"", () -> parse("--parent-pipe=maybe"));
        assertRefused("--model: is empty, give PATH", () -> parse("--model="));
        assertRefused("--model: is empty, give PATH", () -> parse("--model", " "));
        assertRefused("unexpected argument \"x\"", () -> parse("x"));
        assertRefused(
                "LOCKSTEP_PORT: -1 is outside",
                () -> Settings.parse(SPEC, List.of(), Map.of("LOCKSTEP_PORT", "-1")));
        Path file = Files.writeString(folder.resolve("c"), "\nport = x\n");
        assertRefused("c:2: port: \"x\" is not", () -> parse("--config=" + file));
        assertRefused("cannot be read", () -> parse("--config=" + folder.resolve("none")));
    }

    @Test
    void anEmptyValueIsAcceptedOnlyByKeysThatAllowIt() {
        Key<String> tenant = Key.anyText("tenant", "NAME", "whose it is").orElse("x");
        SettingsSpec spec = SettingsSpec.of(tenant);
        assertEquals("", Settings.parse(spec, List.of("--tenant="), Map.of()).value(tenant));
    }

    @Test
    void severalTextsAreSeparatedByCommas() {
        SettingsSpec spec = SettingsSpec.of(ProcessKeys.SERVED_MODEL_NAME);
        assertEquals(
                List.of("a", "org/b"),
                Settings.parse(spec, List.of("--served-model-name=a, org/b"), Map.of())
                        .value(ProcessKeys.SERVED_MODEL_NAME));
        assertRefused(
                "--served-model-name: \"a,,b\" has an empty part, give NAME[,NAME]",
                () -> Settings.parse(spec, List.of("--served-model-name=a,,b"), Map.of()));
        assertRefused(
                "--served-model-name: \"a,b,a\" has a part twice",
                () -> Settings.parse(spec, List.of("--served-model-name=a,b,a"), Map.of()));
    }

    @Test
    void groupAndClusterNamesAreCheckedWhenParsed() {
        SettingsSpec spec = SettingsSpec.of(ProcessKeys.GROUP, ProcessKeys.CLUSTER);
        assertRefused(
                "--group: the name \"a b/c\" must be 1 to 64 letters",
                () -> Settings.parse(spec, List.of("--group", "a b/c"), Map.of()));
        assertRefused(
                "--cluster: the name \"\" must be",
                () -> Settings.parse(spec, List.of("--cluster="), Map.of()));
    }

    @Test
    void argumentsAreKeptWhereTheSpecAcceptsThem() {
        SettingsSpec spec = SPEC.takingArguments("PROMPT");
        Settings settings =
                Settings.parse(
                        spec, List.of("Name three", "--port=1", "--", "--colours"), Map.of());
        assertEquals(List.of("Name three", "--colours"), settings.arguments());
        assertEquals(1, settings.value(PORT));
    }

    @Test
    void givenSettingsCanBePassedToAnotherProcess() {
        Settings settings = parse("--port=1", "--kv-memory", "2G", "--parent-pipe", "--model=m");
        SettingsSpec other = SettingsSpec.of(MODEL, MEMORY, TYPE, PIPE);
        List<String> flags = settings.commandLineFor(other);
        assertEquals(List.of("--model=m", "--kv-memory=2G", "--parent-pipe=true"), flags);
        assertTrue(Settings.parse(other, flags, Map.of()).value(PIPE));
    }

    @Test
    void aSecretIsPassedInTheEnvironment() {
        Key<String> secret = Key.secret("api-key", "KEY", "a secret");
        SettingsSpec spec = SettingsSpec.of(MODEL, secret);
        Settings settings =
                Settings.parse(spec, List.of("--model=m"), Map.of("LOCKSTEP_API_KEY", "hidden"));
        assertEquals(List.of("--model=m"), settings.commandLineFor(spec));
        Map<String, String> environment = settings.environmentFor(spec);
        assertEquals(Map.of("LOCKSTEP_API_KEY", "hidden"), environment);
        assertEquals("hidden", Settings.parse(spec, List.of(), environment).value(secret));
        assertEquals(Map.of(), settings.environmentFor(SettingsSpec.of(MODEL)));
    }

    @Test
    void eachPartOfAListIsConverted() {
        Key<List<String>> list =
                Key.texts("hosts", "NAME[,NAME]", "names", part -> part.toLowerCase(Locale.ROOT));
        SettingsSpec spec = SettingsSpec.of(list);
        assertEquals(
                List.of("a", "b"),
                Settings.parse(spec, List.of("--hosts=A, b"), Map.of()).value(list));
        assertRefused(
                "--hosts: \"a,,b\" has an empty part, give NAME[,NAME]",
                () -> Settings.parse(spec, List.of("--hosts=a,,b"), Map.of()));
    }

    @Test
    void sizeUnitsAreStepsOf1024() {
        assertEquals(4096, parse("--kv-memory=4096").value(MEMORY));
        assertEquals(4096, parse("--kv-memory=4k").value(MEMORY));
        assertEquals(3 << 20, parse("--kv-memory=3MiB").value(MEMORY));
        assertEquals(1L << 40, parse("--kv-memory=1T").value(MEMORY));
    }

    @Test
    void helpComesFromTheKeys() {
        assertTrue(
                SPEC.help().contains("  --port NUMBER                where to listen (8000)\n"),
                SPEC.help());
        assertTrue(SPEC.help().contains("(half the free memory)"), SPEC.help());
    }

    private static Settings parse(String... words) {
        return Settings.parse(SPEC, List.of(words), Map.of());
    }
}
