import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.util.datatype.ULong;

/** What both programs share: JSON lines in and out, object models, and values as JSON. */
final class Peer {
    static final ObjectMapper JSON = new ObjectMapper();

    interface Command {
        void run(JsonNode asked) throws Exception;
    }

    private Peer() {
    }

    static synchronized void tell(String event, Object... members) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("event", event);
        for (int i = 0; i < members.length; i += 2) {
            line.put((String) members[i], members[i + 1]);
        }
        try {
            System.out.println(JSON.writeValueAsString(line));
            System.out.flush();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    /** Carry out one command per line until the input ends, which it does when the test that started us ends. */
    static void listen(Command command) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        String line;
        while ((line = lines.readLine()) != null) {
            JsonNode asked = JSON.readTree(line);
            new Thread(() -> {
                try {
                    command.run(asked);
                } catch (Throwable error) {
                    tell("answer", "number", asked.path("number").asInt(), "failure", String.valueOf(error));
                }
            }).start();
        }
    }

    static List<ObjectModel> models(String directory) {
        List<ObjectModel> models = new ArrayList<>(ObjectLoader.loadAllDefault());
        models.addAll(ObjectLoader.loadObjectsFromDir(new File(directory)));
        return models;
    }

    static Map<String, Object> values(Map<LwM2mPath, LwM2mNode> nodes) {
        Map<String, Object> found = new LinkedHashMap<>();
        nodes.forEach((path, node) -> collect(path.toString(), node, found));
        return found;
    }

    static Map<String, Object> values(String path, LwM2mNode node) {
        Map<String, Object> found = new LinkedHashMap<>();
        collect(path, node, found);
        return found;
    }

    private static void collect(String path, LwM2mNode node, Map<String, Object> found) {
        if (node instanceof LwM2mObject) {
            ((LwM2mObject) node).getInstances().forEach((id, one) -> collect(path + "/" + id, one, found));
        } else if (node instanceof LwM2mObjectInstance) {
            ((LwM2mObjectInstance) node).getResources().forEach((id, one) -> collect(path + "/" + id, one, found));
        } else if (node instanceof LwM2mResource && ((LwM2mResource) node).isMultiInstances()) {
            ((LwM2mResource) node).getInstances().forEach((id, one) -> collect(path + "/" + id, one, found));
        } else if (node instanceof LwM2mResource) {
            found.put(path, plain(((LwM2mResource) node).getValue()));
        } else if (node instanceof LwM2mResourceInstance) {
            found.put(path, plain(((LwM2mResourceInstance) node).getValue()));
        }
    }

    static Object plain(Object value) {
        if (value instanceof byte[]) {
            return Base64.getEncoder().encodeToString((byte[]) value);
        }
        if (value instanceof Date) {
            return ((Date) value).getTime() / 1000;
        }
        if (value instanceof ObjectLink) {
            ObjectLink link = (ObjectLink) value;
            return link.getObjectId() + ":" + link.getObjectInstanceId();
        }
        if (value instanceof ULong) {
            return ((ULong) value).longValue();
        }
        return value;
    }

    static Object typed(JsonNode value, ResourceModel.Type type) {
        switch (type) {
        case INTEGER:
            return value.asLong();
        case UNSIGNED_INTEGER:
            return ULong.valueOf(value.asLong());
        case FLOAT:
            return value.asDouble();
        case BOOLEAN:
            return value.asBoolean();
        case TIME:
            return new Date(value.asLong() * 1000);
        case OPAQUE:
            return Base64.getDecoder().decode(value.asText());
        case OBJLNK:
            String[] parts = value.asText().split(":");
            return new ObjectLink(Integer.parseInt(parts[0]), Integer.parseInt(parts[1]));
        default:
            return value.asText();
        }
    }
}
