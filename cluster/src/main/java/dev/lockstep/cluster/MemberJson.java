// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/// The encoding of a [Member] as JSON in ZooKeeper.
///
/// Streaming, not data binding: binding a record by reflection costs a process a tenth of a second
/// at start. Fields that a newer build adds are ignored.
final class MemberJson {

    private static final JsonFactory JSON = new JsonFactory();

    private MemberJson() {}

    static byte[] write(Member member) {
        var bytes = new ByteArrayOutputStream(512);
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            json.writeStringField("role", member.role().word());
            json.writeStringField("group", member.group());
            json.writeNumberField("rank", member.rank());
            json.writeNumberField("size", member.size());
            json.writeStringField("host", member.address().host());
            json.writeNumberField("port", member.address().port());
            json.writeStringField("unixSocket", member.address().unixSocket());
            json.writeStringField("hostIdentity", member.address().hostIdentity());
            json.writeStringField("state", member.state().name().toLowerCase(Locale.ROOT));
            json.writeStringField("incarnation", member.incarnation());
            json.writeNumberField("pid", member.pid());
            json.writeObjectFieldStart("attributes");
            for (Map.Entry<String, String> attribute :
                    new TreeMap<>(member.attributes()).entrySet()) {
                json.writeStringField(attribute.getKey(), attribute.getValue());
            }
            json.writeEndObject();
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (bytes.size() > Member.MAX_BYTES) {
            throw new IllegalArgumentException(
                    "the announcement of "
                            + member.describe()
                            + " takes "
                            + bytes.size()
                            + " bytes, more than "
                            + Member.MAX_BYTES
                            + "; shorten its attributes");
        }
        return bytes.toByteArray();
    }

    /// Reads a member; throws [IllegalArgumentException] for bytes that are not one.
    static Member read(byte[] bytes) {
        if (bytes.length > Member.MAX_BYTES) {
            throw new IllegalArgumentException(
                    "announcement of " + bytes.length + " bytes exceeds " + Member.MAX_BYTES);
        }
        Map<String, String> fields = new HashMap<>();
        Map<String, String> attributes = new HashMap<>();
        try (JsonParser json = JSON.createParser(bytes)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw new IllegalArgumentException("an announcement is a JSON object");
            }
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String name = json.currentName();
                JsonToken value = json.nextToken();
                if (name.equals("attributes") && value == JsonToken.START_OBJECT) {
                    readAttributes(json, attributes);
                } else if (value.isScalarValue()) {
                    fields.put(name, json.getText());
                } else {
                    json.skipChildren();
                }
            }
        } catch (IOException e) {
            throw new IllegalArgumentException("an announcement is not JSON: " + e.getMessage(), e);
        }
        return new Member(
                Member.Role.valueOf(field(fields, "role").toUpperCase(Locale.ROOT)),
                field(fields, "group"),
                Integer.parseInt(field(fields, "rank")),
                Integer.parseInt(field(fields, "size")),
                new MemberAddress(
                        field(fields, "host"),
                        Integer.parseInt(field(fields, "port")),
                        field(fields, "unixSocket"),
                        field(fields, "hostIdentity")),
                Member.State.valueOf(field(fields, "state").toUpperCase(Locale.ROOT)),
                field(fields, "incarnation"),
                Long.parseLong(field(fields, "pid")),
                attributes);
    }

    private static void readAttributes(JsonParser json, Map<String, String> into)
            throws IOException {
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            String name = json.currentName();
            if (json.nextToken().isScalarValue()) {
                into.put(name, json.getText());
            } else {
                json.skipChildren();
            }
        }
    }

    private static String field(Map<String, String> fields, String name) {
        String value = fields.get(name);
        if (value == null) {
            throw new IllegalArgumentException("an announcement without \"" + name + "\"");
        }
        return value;
    }
}
