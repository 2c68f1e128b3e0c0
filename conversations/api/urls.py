"""The addresses of conversations, below `/api/v1/`."""

from django.urls import path

from conversations.api.views.batches import (
    BatchCancelView,
    BatchListView,
    BatchTasksView,
    BatchView,
)
from conversations.api.views.chat import ChatCancelView, ChatSendView, ChatStatusView
from conversations.api.views.execute import ExecuteView
from conversations.api.views.feedback import MessageFeedbackView
from conversations.api.views.inputs import InputListView, TaskInputView
from conversations.api.views.routing_replay import RoutingReplayView
from conversations.api.views.sessions import (
    SessionCloseView,
    SessionEventsView,
    SessionListView,
    SessionMessagesView,
    SessionView,
)
from conversations.api.views.sockets import SocketTicketView
from conversations.api.views.streams import SessionStreamView, TaskStreamView
from conversations.api.views.task_control import (
    TaskForkView,
    TaskPauseView,
    TaskResumeView,
    TaskRetryView,
)
from conversations.api.views.tasks import TaskCancelView, TaskListView, TaskView

urlpatterns = [
    path("chat/send", ChatSendView.as_view(), name="chat-send"),
    path("chat/status", ChatStatusView.as_view(), name="chat-status"),
    path("chat/cancel", ChatCancelView.as_view(), name="chat-cancel"),
    path("execute", ExecuteView.as_view(), name="execute"),
    path("batches", BatchListView.as_view(), name="batches"),
    path("batches/<uuid:batch_id>", BatchView.as_view(), name="batch"),
    path("batches/<uuid:batch_id>/tasks", BatchTasksView.as_view(), name="batch-tasks"),
    path("batches/<uuid:batch_id>/cancel", BatchCancelView.as_view(), name="batch-cancel"),
    path("tasks", TaskListView.as_view(), name="tasks"),
    path("tasks/<uuid:task_id>", TaskView.as_view(), name="task"),
    path("tasks/<uuid:task_id>/stream", TaskStreamView.as_view(), name="task-stream"),
    path("tasks/<uuid:task_id>/cancel", TaskCancelView.as_view(), name="task-cancel"),
    path("tasks/<uuid:task_id>/pause", TaskPauseView.as_view(), name="task-pause"),
    path("tasks/<uuid:task_id>/resume", TaskResumeView.as_view(), name="task-resume"),
    path("tasks/<uuid:task_id>/retry", TaskRetryView.as_view(), name="task-retry"),
    path("tasks/<uuid:task_id>/fork", TaskForkView.as_view(), name="task-fork"),
    path("tasks/<uuid:task_id>/input", TaskInputView.as_view(), name="task-input"),
    path(
        "messages/<uuid:message_id>/feedback",
        MessageFeedbackView.as_view(),
        name="message-feedback",
    ),
    path("inputs", InputListView.as_view(), name="inputs"),
    path("sessions", SessionListView.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>", SessionView.as_view(), name="session"),
    path("sessions/<uuid:session_id>/messages", SessionMessagesView.as_view(), name="messages"),
    path("sessions/<uuid:session_id>/events", SessionEventsView.as_view(), name="events"),
    path("sessions/<uuid:session_id>/stream", SessionStreamView.as_view(), name="session-stream"),
    path("sessions/<uuid:session_id>/close", SessionCloseView.as_view(), name="session-close"),
    path("routing/replay", RoutingReplayView.as_view(), name="routing-replay"),
    path("ws/tickets", SocketTicketView.as_view(), name="ws-tickets"),
]
