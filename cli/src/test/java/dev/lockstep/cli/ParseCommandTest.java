// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.console.UnusableException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ParseCommandTest {
    private static final String REQUEST =
            "{\"messages\": [{\"role\": \"user\", \"content\": \"?\"}], \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}}}], \"output\": ";

    @TempDir Path folder;
    private Path template = Path.of("");

    @BeforeEach
    void writeTemplate() throws IOException {
        template =
                Files.writeString(
                        folder.resolve("t.jinja"),
                        "{% for m in messages %}<{{ m.role }}>{% if m.reasoning %}<r>{{ m.reasoning }}</r>{% endif %}{{ m.content }}{% for c in m.tool_calls %}<call>{{ c.function | tojson }}</call>{% endfor %}</{{ m.role }}>{% endfor %}{% if add_generation_prompt %}<assistant><r>{% endif %}");
    }

    private String parse(String output, String... more) throws Exception {
        var in =
                new ByteArrayInputStream(
                        (REQUEST + output + "}\n").getBytes(StandardCharsets.UTF_8));
        var out = new ByteArrayOutputStream();
        List<String> arguments = new ArrayList<>(List.of("--template=" + template));
        arguments.addAll(List.of(more));
        new ParseCommand().run(arguments, in, new PrintStream(out, true, StandardCharsets.UTF_8));
        return out.toString(StandardCharsets.UTF_8).strip();
    }

    @Test
    void anAnswerBecomesAMessage() throws Exception {
        assertEquals(
                "{\"message\":{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"why\",\"tool_calls\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}}]}}",
                parse(
                        "\"why</r><call>{\\\"name\\\": \\\"f\\\", \\\"arguments\\\": {\\\"a\\\": 1}}</call></assistant>\""));
        assertEquals(
                "{\"message\":{\"role\":\"assistant\",\"content\":\"plain <call>\"}}",
                parse("\"plain <call>\""));
    }

    @Test
    void faultsAreReported() throws Exception {
        assertEquals("{\"error\":\"output is missing or no text\"}", parse("1"));
    }

    @Test
    void aFileReplacesWhatIsLearnt() throws Exception {
        Path file =
                Files.writeString(
                        folder.resolve("f.json"),
                        "{\"tools\": {\"call_begin\": \"[\", \"call\": {\"pieces\": [\"NAME\"], \"arguments\": {\"form\": \"python\"}}, \"call_end\": \"]\"}}");
        assertTrue(
                parse("\"[f(a='x')]\"", "--tool-format=" + file)
                        .contains("\"arguments\":\"{\\\"a\\\":\\\"x\\\"}\""));
        Files.writeString(file, "{\"tool\": {}}");
        assertEquals(
                file + ": unknown field tool",
                assertThrows(UnusableException.class, () -> parse("\"\"", "--tool-format=" + file))
                        .getMessage());
    }
}
