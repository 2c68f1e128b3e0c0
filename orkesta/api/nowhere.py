"""The view of every address under `/api/` that is none."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from orkesta.api.problems import problem_response
from orkesta.errors import NotFound


@csrf_exempt
def nowhere(request: HttpRequest) -> HttpResponse:
    return problem_response(NotFound("There is no such address."), request)
