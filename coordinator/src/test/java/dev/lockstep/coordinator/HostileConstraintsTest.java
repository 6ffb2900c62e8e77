// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.GrammarException;
import dev.lockstep.grammar.GrammarLimits;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Constraints that explode in a plain construction are refused, or compiled, within their limits.
@Timeout(120)
@Tag("sweep")
final class HostileConstraintsTest {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final int MOST_SECONDS = 2;
    private static final int OTHER_MEBIBYTES = 16;

    private static final String[] REGEXES = {
        "a{0,2147483647}",
        "a{2147483647}",
        "(a{1,9999}){1,9999}",
        "((((a{9}){9}){9}){9}){9}",
        "((((((((a?){9}){9}){9}){9}){9}){9}){9}){9}",
        "(a+)+$",
        "(a|a)*b",
        "((a*)*)*",
        "(.*)*(.*)*(.*)*x",
        ".*a.{9999}",
        "(.*a.{20}b|.*b.{20}a|.*c.{20}d){3}",
        "(a?){2000}a{2000}",
        "[\\w-[a]]{9999}",
        "(\\w+\\s?)+\\d{1,5000}",
        "(\\p{L}|\\p{N}|\\p{P}){1,9999}",
        "(?:\\P{Lu}{1,99}\\p{Lu}{1,99}){99}",
        "(?i)(s\u017f\u212ak){1,999}",
        "(?=.*a)(?=.*b)(?=.*c)(?=.*d)(?=.*e).{1,500}",
        "(?!.*a.{99})(?!.*b.{99}).{200}",
        "(?!a)".repeat(600) + "b",
        "\\b".repeat(1_000),
        "(".repeat(1_000) + "a" + ")".repeat(1_000),
        "|".repeat(4_000),
        "[".repeat(2_000),
        "(a|b|ab)*".repeat(300),
        "(x+x+)+y",
        "([a-z]{1,50}[0-9]{1,50}){1,50}",
        "\\u{10FFFF}{1,9999}[^\\u0000-\\uFFFF]{1,9999}",
    };

    private static final String[] GRAMMARS = {
        "root ::= root",
        "root ::= root root | \"\"",
        "root ::= \"a\"{0,2147483647}",
        "root ::= (\"a\"{0,9999}){0,9999}",
        "root ::= a\na ::= b\nb ::= a",
        "root ::= (\"\"*)*",
        "root ::= " + "(".repeat(3_000) + "\"a\"" + ")".repeat(3_000),
        "root ::= " + joined(6_000, "\"%d\"", " | "),
        joined(4_900, "r%1$d ::= \"x\" | r%1$d \"y\"\n", "") + "root ::= r0",
        "root ::= r0 r0\n" + joined(30, "r%d ::= r%d r%d\n", "") + "r30 ::= \"a\"",
        "root ::= \"a\" root \"a\" | \"b\" root \"b\" | root root | \"a\"",
        "root ::= [a-z]{5000} ([0-9]{5000} | [a-z]{5000})",
        "root ::= [" + joined(8_000, "\\U%08X", "") + "]",
        "start: start start | /a*/",
        "start: A\nA: B\nB: A",
        "start: /(a{99}){99}{99}/",
        "start: \"a\"~0..2147483647",
        "start: (\"a\" | start \"b\")~5..9999\n%ignore /[ab]+/",
        "start: " + "[".repeat(2_000) + "\"a\"" + "]".repeat(2_000),
        "start: A\n" + joined(4_000, "A%d: \"x\"\n", "") + "A: /" + "(a|b)*".repeat(500) + "/",
    };

    private static final String[] SCHEMAS = {
        "{\"type\":\"string\",\"pattern\":\"(a+)+(b+)+{9}\",\"minLength\":2000000000}",
        "{\"type\":\"array\",\"minItems\":9999,\"maxItems\":10000,\"items\":{\"$ref\":\"#\"}}",
        "{\"allOf\":[" + joined(64, "{\"anyOf\":[{\"minimum\":%d},{\"maxLength\":3}]}", ",") + "]}",
        "{\"oneOf\":[" + joined(500, "{\"required\":[\"a%d\"]}", ",") + "]}",
        "{\"not\":{\"not\":{\"not\":{\"pattern\":\"(.*a.{30}){9}\"}}},\"type\":\"string\"}",
        "{\"$ref\":\"#/$defs/a0\",\"$defs\":{"
                + joined(
                        300,
                        "\"a%1$d\":{\"allOf\":[{\"$ref\":\"#/$defs/a%2$d\"},{\"$ref\":\"#/$defs/a%3$d\"}]}",
                        ",")
                + "}}",
        "{\"$defs\":{\"a\":{\"items\":{\"$ref\":\"#/$defs/b\"}},\"b\":{\"items\":{\"$ref\":\"#/$defs/a\"}}},\"$ref\":\"#/$defs/a\"}",
        "{\"enum\":[" + joined(10_001, "%d", ",") + "]}",
        "{\"properties\":{" + joined(1_999, "\"p%d\":{\"type\":\"string\"}", ",") + "}}",
        "{\"patternProperties\":{" + joined(60, "\"^.*a.{%d}b\":{}", ",") + "}}",
        "{\"type\":\"integer\",\"multipleOf\":99999999999999999999,\"minimum\":-1e300}",
        "{\"items\":".repeat(60) + "{}" + "}".repeat(60),
    };

    private static String joined(int count, String entry, String between) {
        return IntStream.range(0, count)
                .mapToObj(i -> entry.formatted(i, i + 1, i + 1))
                .collect(Collectors.joining(between));
    }

    private static List<ObjectNode> requests() {
        List<ObjectNode> requests = new ArrayList<>();
        for (String regex : REGEXES) {
            requests.add(Json.object().put("guided_regex", regex));
        }
        for (String grammar : GRAMMARS) {
            requests.add(Json.object().put("guided_grammar", grammar));
        }
        for (String schema : SCHEMAS) {
            requests.add(Json.object().put("guided_json", schema).put("whitespace", "flexible"));
        }
        return requests;
    }

    @Test
    void eachIsRefusedOrCompiledWithinItsLimits() throws IOException {
        compileAll();
    }

    /// A heap of 64 MiB, and what the rest of the process has in it.
    @Test
    void noneNeedsMoreThanItsMemory() throws Exception {
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:+UseSerialGC",
                                "-Xmx" + (64 + OTHER_MEBIBYTES) + "m",
                                "-XX:+ExitOnOutOfMemoryError",
                                "-cp",
                                System.getProperty("java.class.path"),
                                HostileConstraintsTest.class.getName())
                        .redirectErrorStream(true)
                        .start();
        try (BufferedReader output = process.inputReader()) {
            List<String> lines = output.lines().toList();
            assertEquals(0, process.waitFor(), lines::toString);
        }
    }

    /// Compiles all of them, for a process with little memory.
    public static void main(String[] arguments) throws IOException {
        compileAll();
    }

    private static void compileAll() throws IOException {
        ServedModel model = TestCoordinator.tinyModel();
        List<ObjectNode> requests = requests();
        assertEquals(60, requests.size());
        int refused = 0;
        for (ObjectNode request : requests) {
            long start = THREADS.getCurrentThreadCpuTime();
            try {
                Grammar grammar =
                        ConstraintFields.parse(new Fields(request), model)
                                .orElseThrow()
                                .grammar()
                                .get();
                CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT);
            } catch (IllegalArgumentException | GrammarException e) {
                assertTrue(!String.valueOf(e.getMessage()).isEmpty());
                refused++;
            }
            double seconds = (THREADS.getCurrentThreadCpuTime() - start) / 1e9;
            assertTrue(
                    seconds < MOST_SECONDS,
                    () -> Json.quoted(request.toString()) + " took " + seconds + " s");
        }
        assertTrue(refused > 20 && refused < 50, refused + " are refused");
    }
}
