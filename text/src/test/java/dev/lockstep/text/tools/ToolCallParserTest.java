// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ToolCallParserTest {
    private static final JsonNode PARAMETERS =
            RenderedAnswers.json(
                    """
                    {"type": "object", "properties": {
                      "s": {"type": "string"}, "n": {"type": "number"},
                      "e": {"enum": ["on", "off"]}, "m": {"type": ["string", "integer"]},
                      "r": {"$ref": "#/$defs/d"}, "u": {}},
                     "$defs": {"d": {"anyOf": [{"type": "string"}, {"enum": ["x"]}]}}}
                    """);
    private static final Map<String, JsonNode> FUNCTIONS = Map.of("find", PARAMETERS);
    private static final String HERMES =
            """
            {"reasoning": {"opening": "<think>\\n", "closing": "\\n</think>\\n\\n"},
             "content": {"ends": ["<|im_end|>\\n"]},
             "tools": {"content_separator": "\\n", "call_begin": "<tool_call>\\n",
               "call": {"json": {"keys": ["name", "arguments"], "name": "name",
                 "arguments": "arguments"}},
               "call_end": "\\n</tool_call>", "separator": "\\n"}}
            """;
    private static final String TAGGED =
            """
            {"tools": {"call_begin": "<tool_call>\\n<function=",
               "call": {"pieces": ["NAME", ">"], "arguments": {"form": "tagged",
                 "begin": "\\n<parameter=",
                 "values": [{"opening": ">\\n", "closing": "\\n</parameter>"}]}},
               "call_end": "\\n</function>\\n</tool_call>", "separator": "\\n"}}
            """;
    private static final String PYTHON =
            """
            {"tools": {"section_begin": "[", "call": {"pieces": ["NAME"],
               "arguments": {"form": "python"}}, "separator": ", ", "section_end": "]",
               "anywhere": false}}
            """;

    private static AnswerFormat format(String file) {
        FormatFile parsed = FormatFile.parse("a file", file);
        return new AnswerFormat(
                parsed.reasoning(),
                parsed.content().orElse(new ContentFormat(List.of(), List.of(), List.of())),
                parsed.tools());
    }

    private static Answer whole(String file, String text) {
        return Answer.whole(format(file), FUNCTIONS, "", text);
    }

    private static String arguments(String file, String text) {
        return whole(file, text).calls().getFirst().arguments();
    }

    private static String call(String arguments) {
        return "<tool_call>\n{\"name\": \"find\", \"arguments\": " + arguments + "}\n</tool_call>";
    }

    @Test
    void anAnswerIsTakenApart() {
        Answer answer =
                whole(
                        HERMES,
                        "<think>\nwhy\n</think>\n\nSure.\n"
                                + call("{\"s\": \"a\"}")
                                + "<|im_end|>\n");
        assertEquals(
                new Answer(
                        "Sure.",
                        "why",
                        List.of(new Answer.Call(Optional.empty(), "find", "{\"s\": \"a\"}"))),
                answer);
    }

    @Test
    void halfAMarkerIsHeldBack() {
        ToolCallParser parser = format(HERMES).parser(FUNCTIONS, true, "");
        assertEquals(List.of(new AnswerEvent.Content("a")), parser.accept("a\n"));
        assertEquals(List.of(), parser.accept("<tool_"));
        assertEquals(List.of(new AnswerEvent.Content("\n<tool_x")), parser.accept("x"));
        assertEquals(List.of(), parser.accept("<tool_call>{\"name\": \"fi"));
        assertEquals(
                List.of(new AnswerEvent.CallStart(0, Optional.empty(), "find")),
                parser.accept("nd\", \"arg"));
        assertEquals(
                List.of(new AnswerEvent.Arguments(0, "{\"s\"")), parser.accept("uments\": {\"s\""));
        assertEquals(
                List.of(new AnswerEvent.Arguments(0, ":1}")), parser.accept(":1} } </tool_cal"));
        assertEquals(List.of(new AnswerEvent.CallEnd(0)), parser.accept("l>"));
        assertEquals(List.of(), parser.finish());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "<tool_call>\n{\"name\": \"other\", \"arguments\": {}}\n</tool_call>",
                "<tool_call>\n{\"name\": \"find\", \"arguments\": {\"s\": }}\n</tool_call>",
                "<tool_call>\n{\"name\": \"find\", \"arguments\": [1]}\n</tool_call>",
                "<tool_call>\n{\"arguments\": {}}\n</tool_call>",
                "<tool_call> I mean the tag.",
                "<tool_call>\n{\"name\": \"find\", \"arguments\": {\"s\": \"a",
                "a <tool_call",
                "{\"name\": \"find\", \"arguments\": {}}",
                "\n \n",
                "x<|im_end|> y",
                "</think> <think>"
            })
    void whatIsNoCallIsContent(String text) {
        for (int at = 0; at <= text.length(); at++) {
            ToolCallParser parser = format(HERMES).parser(FUNCTIONS, false, "");
            List<AnswerEvent> events = new ArrayList<>(parser.accept(text.substring(0, at)));
            events.addAll(parser.accept(text.substring(at)));
            events.addAll(parser.finish());
            Answer answer = Answer.of(events);
            String expected = text.replace("</think> <think>", "");
            assertEquals(new Answer(expected, "", List.of()), answer, "cut at " + at);
        }
    }

    @Test
    void aCallAfterABrokenOneIsRead() {
        Answer answer = whole(HERMES, "<tool_call>no\n" + call("{}"));
        assertEquals("<tool_call>no", answer.content());
        assertEquals(1, answer.calls().size());
    }

    @Test
    void keysComeInAnyOrderAndSpacing() {
        Answer answer =
                whole(
                        HERMES,
                        "<tool_call>{\"type\":\"function\",\"arguments\" : \"{\\\"n\\\":1}\",\n\"name\":\"find\"} </tool_call>");
        assertEquals(
                List.of(new Answer.Call(Optional.empty(), "find", "{\"n\":1}")), answer.calls());
    }

    @Test
    void aMissingEndIsNoFault() {
        String text = "<tool_call>{\"name\": \"find\"}";
        assertEquals("{}", arguments(HERMES, text));
        assertEquals("{}", arguments(HERMES, text + "\n"));
    }

    @Test
    void thePromptMayOpenTheReasoning() {
        Answer answer = Answer.whole(format(HERMES), FUNCTIONS, "?<think>\n", "a\n</think>\n\nb");
        assertEquals(new Answer("b", "a", List.of()), answer);
        assertEquals(
                new Answer("", "a <tool_call>", List.of()),
                Answer.whole(format(HERMES), FUNCTIONS, "?<think>\n", "a <tool_call>"));
    }

    @Test
    void taggedValuesGetTheTypeOfTheSchema() {
        String text =
                """
                <tool_call>
                <function=find>
                <parameter=s>
                12
                </parameter>
                <parameter=n>
                12
                </parameter>
                <parameter=e>
                on
                </parameter>
                <parameter=m>
                7
                </parameter>
                <parameter=r>
                true
                </parameter>
                <parameter=u>
                {'k': None, "l": [True, 'it\\'s']}
                </parameter>
                </function>
                </tool_call>
                """;
        assertEquals(
                "{\"s\":\"12\",\"n\":12,\"e\":\"on\",\"m\":7,\"r\":\"true\",\"u\":{\"k\":null,\"l\":[true,\"it's\"]}}",
                arguments(TAGGED, text));
    }

    @Test
    void aTaggedValueMayContainItsClosingMarker() {
        String text =
                "<tool_call>\n<function=find>\n<parameter=s>\nx\n</parameter> y\n</parameter>\n</function>\n</tool_call>";
        assertEquals("{\"s\":\"x\\n</parameter> y\"}", arguments(TAGGED, text));
    }

    /// A value that contains both its closing marker and what follows one cannot be told from two
    /// parts of the call.
    @Test
    void aTaggedValueWithTheWholeEndOfACallEndsThere() {
        String end = "\n</parameter>\n</function>\n</tool_call>";
        Answer answer =
                whole(TAGGED, "<tool_call>\n<function=find>\n<parameter=s>\nx" + end + "y" + end);
        assertEquals("{\"s\":\"x\"}", answer.calls().getFirst().arguments());
        assertEquals("y" + end, answer.content());
    }

    @Test
    void pythonLiteralsBecomeJson() {
        assertEquals(
                "{\"s\":\"a\\n'b'\",\"n\":1e-07,\"u\":[true,null,{\"k\":[]}]}",
                arguments(PYTHON, "[find(s='a\\n\\'b\\'', n=1e-07, u=(True, None, {'k': ()}))]"));
        assertEquals(2, whole(PYTHON, "[find(), find(s=\"x\")]").calls().size());
        assertEquals("[find(1)]", whole(PYTHON, "[find(1)]").content());
        assertEquals("[other(s=1)]", whole(PYTHON, "[other(s=1)]").content());
    }

    @Test
    void hostileTextTakesLinearTime() {
        for (String each :
                List.of(
                        "<tool_call>",
                        "<tool_call>{\"name\": \"find\", \"arguments\": {\"s\": \"<tool_call>",
                        " ",
                        "<",
                        "\n</parameter>",
                        "<tool_call>\n<function=find>\n<parameter=s>\n</parameter>\ny")) {
            String text = each.repeat(30_000 / each.length());
            for (String file : List.of(HERMES, TAGGED)) {
                ToolCallParser parser = format(file).parser(FUNCTIONS, false, "");
                var content = new StringBuilder();
                for (int at = 0; at < text.length(); at++) {
                    content.append(Answer.of(parser.accept(text.substring(at, at + 1))).content());
                }
                content.append(Answer.of(parser.finish()).content());
                assertEquals(text.length(), content.length(), each);
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'tools':{'begin':'x'}} | f.json.tools: unknown field begin",
                "{'tools':{}} | f.json.tools: call is missing",
                "{'tools':{'call':{'pieces':['NAME']}}} | f.json.tools.call: arguments is missing",
                "{'tools':{'call':{'pieces':['x'],'arguments':{'form':'json'}},'call_begin':'x'}} | f.json: a call without the function's name: [Text[text=x]]",
                "{'tools':{'call':{'pieces':['NAME',1],'arguments':{'form':'json'}}}} | f.json.tools.call: pieces has an entry that is no text",
                "{'tools':{'call':{'pieces':['NAME'],'arguments':{'form':'xml'}}}} | f.json.tools.call.arguments: form must be json, python, quoted, tagged or elements, not xml",
                "{'tools':{'call':{'pieces':['NAME'],'arguments':{'form':'json'}}}} | f.json: calls anywhere need a text before them",
                "{'reasoning':{'opening':'x'}} | f.json.reasoning: closing is missing or no text",
                "{'content':1} | f.json.content is not an object",
                "[] | f.json is not an object"
            })
    void faultsOfAFileAreNamed(String file, String fault) {
        assertEquals(
                fault,
                assertThrows(
                                IllegalArgumentException.class,
                                () -> FormatFile.parse("f.json", file.replace('\'', '"')))
                        .getMessage());
    }
}
