// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.WireFormat;
import java.io.IOException;

/// Estimates the bytes of memory of a protobuf message, as [JsonWeight] does for JSON: for the
/// object and for the tree that it is converted to. Some megabytes of empty messages in it would
/// fill the heap.
final class ProtoWeight {
    // The message and the object in the tree, each with its entry in a list.
    private static final int MESSAGE_BYTES = 320;

    // A number or an unknown field, boxed, with its entry in a list, and in the tree.
    private static final int VALUE_BYTES = 160;
    private static final int BYTES_PER_CHARACTER = 4;

    /// For packed numbers, each of which may be one byte: an array that grows, and nodes.
    private static final int BYTES_PER_PACKED_BYTE = 32;

    private final CodedInputStream in;
    private final long max;
    private long bytes;

    private ProtoWeight(byte[] message, long max) {
        this.in = CodedInputStream.newInstance(message);
        this.max = max;
    }

    /// Returns the estimate, or any number above `max` as soon as it is exceeded. Of an invalid
    /// message only the bytes preceding the error count; the parser reports the error later.
    static long of(byte[] message, Descriptor type, long max) {
        var weight = new ProtoWeight(message, max);
        try {
            weight.message(type);
        } catch (IOException e) {
            return weight.bytes;
        }
        return weight.bytes;
    }

    private void message(Descriptor type) throws IOException {
        bytes += MESSAGE_BYTES;
        while (!in.isAtEnd() && bytes <= max) {
            int tag = in.readTag();
            bytes += VALUE_BYTES;
            FieldDescriptor field = type.findFieldByNumber(WireFormat.getTagFieldNumber(tag));
            if (WireFormat.getTagWireType(tag) != WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                in.skipField(tag);
            } else if (field != null && field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
                int limit = in.pushLimit(in.readRawVarint32());
                message(field.getMessageType());
                in.popLimit(limit);
            } else {
                int length = in.readRawVarint32();
                boolean packed = field != null && field.isPackable();
                bytes += (long) length * (packed ? BYTES_PER_PACKED_BYTE : BYTES_PER_CHARACTER);
                in.skipRawBytes(length);
            }
        }
    }
}
